"""Searching, and the face of this app: what other rooms call."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import IO

from PIL import Image

from library.selectors import AssetFilters, Viewer, filtered, visible_assets
from library.transient import decode_transient
from search import cursors, keywords
from search.active import CHECKPOINTS, ActiveEmbedder, active_embedders, active_model_id, spaces
from search.candidates import gather
from search.encoding import embedder, query_vectors
from search.engines import engine_of
from search.fusion import Fused, Weights, fuse, read_weights
from search.index.base import Vectors
from search.indexing import index, index_frames, index_within, mark_stale, rebuild_index
from search.paging import Ranking, page, tiered
from search.query import checked_limit, checked_text
from search.scope import Scope
from search.signals import KeywordSignal, Signal, VectorSignal

__all__ = [
    "Match",
    "Question",
    "SearchPage",
    "active_model_id",
    "active_models",
    "answer",
    "describe_index",
    "embedder",
    "index",
    "index_frames",
    "index_within",
    "mark_stale",
    "rebuild_index",
    "search_image",
    "search_picture",
    "search_text",
    "spaces",
]

DEFAULT_LIMIT = 20
NO_FILTERS = AssetFilters()

#: From an opened picture to its vector in the space `image`. Doors pass `workers.pipeline.encode_query_image`, since
#: this process holds no vision model and this room may not know the workers.
EncodePicture = Callable[[Image.Image], Vectors]
#: The shorter side that the vision model wants; large photos decode several times faster to it.
_QUERY_PICTURE_PX = 260
#: A look over the whole ranking before it is cut into pages: leaves out, never adds.
Refine = Callable[[list[Fused]], list[Fused]]


@dataclass(frozen=True)
class Match:
    """An asset that answers a question. why: what each signal (image, caption, keyword) added to the score."""

    asset_id: int
    score: float
    why: dict[str, float]


@dataclass(frozen=True)
class SearchPage:
    """Matches, best first. next: cursor of the page after, None on the last one."""

    matches: list[Match]
    next: str | None
    took_ms: int


@dataclass(frozen=True)
class Question:
    """What is asked of the index. purpose names the fusion weights; identity binds cursors to this question.

    models: ids of the models that made the vectors, by space; default: the active ones.
    """

    purpose: str
    identity: str
    vectors: Mapping[str, Vectors]
    words: Sequence[str] = ()
    models: Mapping[str, str] = field(default_factory=dict)


def search_text(
    viewer: Viewer,
    query: str,
    *,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
    filters: AssetFilters = NO_FILTERS,
) -> SearchPage:
    """Photos that fit a text, by look, caption and words. InvalidInput names what is wrong with the question."""
    started = time.perf_counter()
    text, limit = checked_text(query), checked_limit(limit)
    identity = f"text:{text}:{filters!r}"
    cursors.read(cursor, identity)  # before the models are asked, which costs more
    models = active_embedders()
    vectors = query_vectors(text, models)
    question = Question("text", identity, vectors, keywords.query_words(text), _ids_of(models))
    return answer(viewer, question, limit=limit, cursor=cursor, filters=filters, started=started)


def search_image(
    viewer: Viewer,
    image_vector: Vectors,
    *,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
    filters: AssetFilters = NO_FILTERS,
) -> SearchPage:
    """Photos that look like a picture, given as its vector in the space `image`."""
    question = Question("image", _image_identity(filters), {"image": image_vector})
    return answer(viewer, question, limit=limit, cursor=cursor, filters=filters)


def search_picture(
    viewer: Viewer,
    file: IO[bytes],
    encode: EncodePicture,
    *,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
    filters: AssetFilters = NO_FILTERS,
) -> SearchPage:
    """Photos that look like an uploaded picture, which is checked like any upload and not stored."""
    started = time.perf_counter()
    checked_limit(limit)
    cursors.read(cursor, _image_identity(filters))
    picture = decode_transient(file, at_least_px=_QUERY_PICTURE_PX)
    before, vector = active_model_id("image"), encode(picture)
    if active_model_id("image") != before:  # switched meanwhile: whose vector is it?
        vector = encode(picture)
    page = search_image(viewer, vector, limit=limit, cursor=cursor, filters=filters)
    return replace(page, took_ms=_ms_since(started))


def answer(
    viewer: Viewer,
    question: Question,
    *,
    limit: int,
    cursor: str | None = None,
    filters: AssetFilters = NO_FILTERS,
    refine: Refine | None = None,
    started: float | None = None,
) -> SearchPage:
    """One page of the fused ranking over what the viewer may see."""
    started = time.perf_counter() if started is None else started
    limit, after = checked_limit(limit), cursors.read(cursor, question.identity)
    scope = Scope(filtered(visible_assets(viewer), viewer, filters))
    signals = _signals(question, scope)
    shown, place = page(lambda depth: _ranking(question.purpose, signals, scope, depth, refine), after, limit)
    return SearchPage(
        [Match(one.asset_id, one.score, one.why) for one in shown],
        cursors.written(place, question.identity) if place else None,
        _ms_since(started),
    )


def describe_index(space: str) -> str:
    """One line for people who watch over the service; EngineUnavailable where the index can't answer."""
    about = index(space).describe()
    return f"{about.engine}, {about.sealed_count} sealed and {about.tail_count} newer"


def _signals(question: Question, scope: Scope) -> list[Signal]:
    models = question.models or active_models()
    signals: list[Signal] = [
        VectorSignal(space, engine_of(space, models[space]), vector, scope)
        for space, vector in question.vectors.items()
    ]
    if question.words:
        signals.append(KeywordSignal(question.words, scope))
    return signals


def _ranking(
    purpose: str, signals: Sequence[Signal], scope: Scope, depth: int, refine: Refine | None
) -> Ranking:
    candidates = gather(signals, scope, depth)
    fused = fuse(candidates.rankings, fusion_weights(purpose))
    if refine is not None:
        fused = refine(fused)
    return tiered(fused, candidates.ranks, depth, complete=candidates.complete)


def active_models() -> dict[str, str]:
    """Ids of the active models by space: asked once by who makes vectors and searches by them."""
    return _ids_of(active_embedders())


def _ids_of(models: Mapping[str, ActiveEmbedder]) -> dict[str, str]:
    return {space: model.model_id for space, model in models.items()}


def _image_identity(filters: AssetFilters) -> str:
    """Not bound to the vector: another worker's arithmetic may differ in the last bit of it."""
    return f"image:{filters!r}"


def _ms_since(started: float) -> int:
    return round((time.perf_counter() - started) * 1000)


def fusion_weights(purpose: str) -> Weights:
    """How signals count for `text`, `image` or `related`; ModelUnavailable where the file of weights is damaged."""
    return _weights(CHECKPOINTS / "fusion.json")[purpose]


@cache
def _weights(path: Path) -> dict[str, Weights]:
    return dict(read_weights(path))
