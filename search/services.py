"""Searching, and the face of this app: what other rooms call."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import IO

from django.db.models import QuerySet
from PIL import Image

from library.models import Asset
from library.selectors import AssetFilters, Viewer, filtered, visible_assets
from library.transient import decode_transient
from search import cursors, keywords
from search.active import CHECKPOINTS, active_model_id, spaces
from search.candidates import gather
from search.conditions import narrowed, reason_for_nothing
from search.encoding import embedder, query_vectors
from search.facets import FACETS, Choice
from search.fusion import Fused, Weights, fuse, read_weights
from search.index.base import Vectors
from search.indexing import index, index_frames, index_within, mark_stale, rebuild_index
from search.language import PHRASE, Condition, parse
from search.listing import newest, newest_of
from search.paging import Place, Ranking, page, tiered
from search.query import BY_DATE, BY_RELEVANCE, SORTS, checked_limit, checked_sort
from search.recording import record_search
from search.scope import Scope
from search.signals import KeywordSignal, Signal, VectorSignal

__all__ = [
    "BY_DATE",
    "BY_RELEVANCE",
    "SORTS",
    "Match",
    "Question",
    "SearchPage",
    "active_model_id",
    "answer",
    "describe_index",
    "embedder",
    "facets",
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
#: Everything fits a text to some degree: by date come the so many that fit best.
_DATED_DEPTH = 200
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
    """Matches, best first or newest first. next: cursor of the page after, None on the last one.

    reason: why there is nothing, where conditions allow nothing. terms: the words that were looked for.
    record: the token of a search that was recorded.
    """

    matches: list[Match]
    next: str | None
    took_ms: int
    reason: str = ""
    terms: tuple[keywords.Term, ...] = ()
    record: str = ""


@dataclass(frozen=True)
class Question:
    """What is asked of the index. purpose names the fusion weights; identity binds cursors to this question.

    conditions: what must hold of every match, whatever its score.
    """

    purpose: str
    identity: str
    vectors: Mapping[str, Vectors]
    words: Sequence[str] = ()
    conditions: tuple[Condition, ...] = ()
    sort: str = BY_RELEVANCE


def search_text(
    viewer: Viewer,
    query: str,
    *,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
    filters: AssetFilters = NO_FILTERS,
    sort: str = BY_RELEVANCE,
) -> SearchPage:
    """Photos that fit a query of `search.language`: by look, caption and words; of conditions alone the newest.

    InvalidQuery points at what can't be understood; InvalidInput names what else is wrong with the question.
    """
    started = time.perf_counter()
    asked, limit, sort = parse(query), checked_limit(limit), checked_sort(sort)
    identity = f"text:{asked.identity}:{filters!r}:{sort}"
    after = cursors.read(cursor, identity)  # before the models are asked, which costs more
    if asked.text:
        words = keywords.query_words(asked.text)
        question = Question("text", identity, query_vectors(asked.text), words, asked.conditions, sort)
        found = answer(viewer, question, limit=limit, cursor=cursor, filters=filters, started=started)
    else:
        found = _listed(viewer, asked.conditions, identity, after, limit, filters)
        found = replace(found, took_ms=_ms_since(started))
    if cursor:
        return found
    scores = [match.score for match in found.matches]
    record = record_search(query, scores=scores, listed=not asked.text, took_ms=found.took_ms)
    return replace(found, record=record)


def _listed(
    viewer: Viewer,
    conditions: tuple[Condition, ...],
    identity: str,
    after: Place | None,
    limit: int,
    filters: AssetFilters,
) -> SearchPage:
    """The newest of what conditions allow."""
    ids, place = newest(_allowed(viewer, filters, conditions), after, limit)
    return SearchPage(
        [Match(asset_id, 0.0, {}) for asset_id in ids],
        cursors.written(place, identity) if place else None,
        0,
        _reason(viewer, filters, conditions, ids),
        _demanded(conditions),
    )


def facets(viewer: Viewer, query: str = "", *, filters: AssetFilters = NO_FILTERS) -> dict[str, list[Choice]]:
    """By year, tag, type and owner: how many photos choosing it leaves, of those that the conditions allow.

    The words of the query rank and leave nothing out, so they don't count; an empty query counts all photos.
    """
    conditions = parse(query).conditions if query.strip() else ()
    counted = {}
    for facet in FACETS:
        others = [one for one in conditions if one.without or one.operator not in facet.replaces]
        counted[facet.name] = list(facet.choices(_allowed(viewer, filters, others)))
    return counted


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
    page = search_image(viewer, encode(picture), limit=limit, cursor=cursor, filters=filters)
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
    assets = _allowed(viewer, filters, question.conditions)
    scope = Scope(assets)
    signals = _signals(question, scope)

    def ranking_at(depth: int) -> Ranking:
        return _ranking(question.purpose, signals, scope, depth, refine)

    if question.sort == BY_DATE:
        best = ranking_at(_DATED_DEPTH).results[:_DATED_DEPTH]
        shown, place = newest_of(assets, best, after, limit)
    else:
        shown, place = page(ranking_at, after, limit)
    return SearchPage(
        [Match(one.asset_id, one.score, one.why) for one in shown],
        cursors.written(place, question.identity) if place else None,
        _ms_since(started),
        _reason(viewer, filters, question.conditions, shown),
        (*_looked_for(signals), *_demanded(question.conditions)),
    )


def describe_index(space: str) -> str:
    """One line for people who watch over the service; EngineUnavailable where the index can't answer."""
    about = index(space).describe()
    return f"{about.engine}, {about.sealed_count} sealed and {about.tail_count} newer"


def _allowed(viewer: Viewer, filters: AssetFilters, conditions: Sequence[Condition]) -> QuerySet[Asset]:
    """What may be found at all."""
    return narrowed(filtered(visible_assets(viewer), viewer, filters), viewer, conditions)


def _reason(
    viewer: Viewer, filters: AssetFilters, conditions: Sequence[Condition], found: Sequence[object]
) -> str:
    if found:
        return ""
    return reason_for_nothing(filtered(visible_assets(viewer), viewer, filters), viewer, conditions)


def _looked_for(signals: Sequence[Signal]) -> list[keywords.Term]:
    return [term for signal in signals if isinstance(signal, KeywordSignal) for term in signal.terms]


def _demanded(conditions: Sequence[Condition]) -> tuple[keywords.Term, ...]:
    """The words of text: and of phrases, which every match holds."""
    said = [one.value for one in conditions if one.operator in {"text", PHRASE} and not one.without]
    return tuple(keywords.Term(word) for word in dict.fromkeys(keywords.query_words(" ".join(said))))


def _signals(question: Question, scope: Scope) -> list[Signal]:
    signals: list[Signal] = [
        VectorSignal(space, index(space), vector, scope) for space, vector in question.vectors.items()
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
