"""Searching, and the face of this app: what other rooms call."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import IO

from PIL import Image

from core.errors import InvalidInput
from library.selectors import AssetFilters, Viewer, asset_for
from library.transient import decode_transient
from search import cursors, keywords
from search.active import ActiveEmbedder, active_embedders, active_model_id, ids_of, spaces
from search.answering import (
    DEFAULT_LIMIT,
    NO_FILTERS,
    Part,
    Question,
    SearchPage,
    allowed,
    answer,
    fusion_weights,
    listed,
    ms_since,
)
from search.encoding import begin_query_vectors, embedder, known_words
from search.facets import FACETS, Choice
from search.index.base import Vectors
from search.indexing import index, index_frames, index_within, rebuild_index
from search.language import Query, parse, parse_optional
from search.query import (
    BY_DATE,
    BY_RELEVANCE,
    checked_limit,
    checked_sort,
    checked_weight,
    checked_words,
)
from search.recording import record_search
from search.reranking import configuration
from search.selectors import vectors_of_asset
from search.spelling import corrected

__all__ = [
    "BY_DATE",
    "BY_RELEVANCE",
    "MOST_TERMS",
    "Question",
    "SearchPage",
    "Term",
    "Words",
    "active_model_id",
    "answer",
    "embedder",
    "facets",
    "fusion_weights",
    "index",
    "index_frames",
    "index_within",
    "rebuild_index",
    "search_image",
    "search_picture",
    "search_terms",
    "search_text",
    "spaces",
]

#: From an opened picture to its vector in the space `image`. Doors pass `workers.pipeline.encode_query_image`, since
#: this process holds no vision model and this room may not know the workers.
EncodePicture = Callable[[Image.Image], Vectors]
#: The shorter side that the vision model wants; large photos decode several times faster to it.
QUERY_PICTURE_PX = 260
#: Each term asks every signal by itself.
MOST_TERMS = 8


@dataclass(frozen=True)
class Term:
    """A text or a photo that is wanted, or with a weight below zero unwanted. Exactly one of `text` and `like`."""

    text: str = ""
    like: int | None = None
    weight: float = 1.0


@dataclass(frozen=True)
class Words:
    """A query beside a picture. weight: how much its words count beside the picture, which counts 1."""

    query: str = ""
    weight: float = 1.0


NO_WORDS = Words()


def search_text(
    viewer: Viewer,
    query: str,
    *,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
    filters: AssetFilters = NO_FILTERS,
    sort: str = BY_RELEVANCE,
    exact: bool = False,
) -> SearchPage:
    """Photos that fit a query of `search.language`: by look, caption and words; of conditions alone the newest.

    exact: no word is taken for misspelt.
    InvalidQuery points at what can't be understood; InvalidInput names what else is wrong with the question.
    """
    started = time.perf_counter()
    asked, limit, sort = parse(query), checked_limit(limit), checked_sort(sort)
    identity = f"text:{asked.identity}:{filters!r}:{sort}:{exact}:{configuration()}"
    cursors.read(cursor, identity)  # before the models are asked, which costs more
    read = query
    if asked.text:
        models = active_embedders()
        vectors = begin_query_vectors(asked.text, models)  # few queries are misspelt
        if not exact:
            read = corrected(viewer, query, asked, partial(known_words, models=models))
        if read != query:
            asked = parse(read)
            vectors = begin_query_vectors(asked.text, models)
        words = keywords.query_words(asked.text)
        question = Question(
            purpose="text",
            identity=identity,
            vectors=vectors,
            words=words,
            conditions=asked.conditions,
            sort=sort,
            models=ids_of(models),
            text=asked.text,
        )
        found = answer(viewer, question, limit=limit, cursor=cursor, filters=filters, started=started)
    else:
        found = listed(viewer, asked.conditions, identity, limit=limit, cursor=cursor, filters=filters)
    found = replace(found, corrected=read if read != query else "")
    if cursor:
        return found
    scores = [match.score for match in found.matches]
    record = record_search(query, scores=scores, listed=not asked.text, took_ms=found.took_ms)
    return replace(found, record=record)


def search_terms(
    viewer: Viewer,
    terms: Sequence[Term],
    *,
    conditions: str = "",
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
    sort: str = BY_RELEVANCE,
) -> SearchPage:
    """Photos by several texts and photos at once, each with its weight; those below zero push away what fits them.

    conditions: a query of operators, phrases and words left out. InvalidInput names what is wrong; NotFound for a
    photo that the viewer may not see.
    """
    started = time.perf_counter()
    asked = parse_optional(conditions)
    limit, sort = checked_limit(limit), checked_sort(sort)
    _check_terms(terms)
    identity = f"terms:{terms!r}:{asked.identity}:{sort}"
    cursors.read(cursor, identity)
    models = active_embedders()
    parts = [_part(viewer, term, models) for term in terms]
    if asked.text:
        parts.append(_text_part(asked.text, 1.0, models))
    first, *besides = sorted(parts, key=lambda part: -part.weight)
    question = Question(
        purpose=first.purpose,
        identity=identity,
        vectors=first.vectors,
        words=first.words,
        conditions=asked.conditions,
        sort=sort,
        besides=tuple(besides),
        weight=first.weight,
        models=ids_of(models),
    )
    return answer(viewer, question, limit=limit, cursor=cursor, started=started)


def search_image(
    viewer: Viewer,
    image_vector: Vectors,
    *,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
    filters: AssetFilters = NO_FILTERS,
    words: Words = NO_WORDS,
) -> SearchPage:
    """Photos that look like a picture, given as its vector in the space `image`; with words also like these."""
    asked, identity = _beside_picture(words, filters)
    models = active_embedders()
    besides = (_text_part(asked.text, words.weight, models),) if asked.text else ()
    question = Question(
        "image",
        identity,
        {"image": image_vector},
        conditions=asked.conditions,
        besides=besides,
        models=ids_of(models),
    )
    return answer(viewer, question, limit=limit, cursor=cursor, filters=filters)


def search_picture(
    viewer: Viewer,
    file: IO[bytes],
    encode: EncodePicture,
    *,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
    filters: AssetFilters = NO_FILTERS,
    words: Words = NO_WORDS,
) -> SearchPage:
    """Photos that look like an uploaded picture, which is checked like any upload and not stored."""
    started = time.perf_counter()
    checked_limit(limit)
    _, identity = _beside_picture(words, filters)
    cursors.read(cursor, identity)
    picture = decode_transient(file, at_least_px=QUERY_PICTURE_PX)
    before, vector = active_model_id("image"), encode(picture)
    if active_model_id("image") != before:  # switched meanwhile: whose vector is it?
        vector = encode(picture)
    found = search_image(viewer, vector, limit=limit, cursor=cursor, filters=filters, words=words)
    return replace(found, took_ms=ms_since(started))


def facets(viewer: Viewer, query: str = "") -> dict[str, list[Choice]]:
    """By year, tag, type, colour and owner: how many photos choosing it leaves, of those that the conditions allow.

    The words of the query rank and leave nothing out, so they don't count; an empty query counts all photos.
    """
    conditions = parse_optional(query).conditions
    counted = {}
    for facet in FACETS:
        others = [one for one in conditions if one.without or one.operator not in facet.replaces]
        counted[facet.name] = list(facet.choices(allowed(viewer, NO_FILTERS, others)))
    return counted


def _check_terms(terms: Sequence[Term]) -> None:
    if not 1 <= len(terms) <= MOST_TERMS:
        raise InvalidInput(f"Give from 1 to {MOST_TERMS} terms.", field="terms")
    for term in terms:
        checked_weight(term.weight)
        if bool(term.text.strip()) == (term.like is not None):
            raise InvalidInput("Each term is either a text or the photo that it is like.", field="terms")
    if all(term.weight < 0 for term in terms):
        raise InvalidInput("Something must be wanted: give one term a weight above 0.", field="terms")


def _part(viewer: Viewer, term: Term, models: Mapping[str, ActiveEmbedder]) -> Part:
    if term.like is None:
        return _text_part(checked_words(term.text), term.weight, models)
    vectors = vectors_of_asset(asset_for(viewer, term.like), ids_of(models))
    if not vectors:
        raise InvalidInput(f"Photo {term.like} is not described yet; ask again in a moment.", field="terms")
    return Part("related", vectors, weight=term.weight)


def _text_part(text: str, weight: float, models: Mapping[str, ActiveEmbedder]) -> Part:
    return Part("text", begin_query_vectors(text, models), keywords.query_words(text), weight)


def _beside_picture(words: Words, filters: AssetFilters) -> tuple[Query, str]:
    """What is asked beside a picture, and the identity of the question.

    That is not bound to the picture's vector: another worker's arithmetic may differ in the last bit of it.
    """
    asked, weight = parse_optional(words.query), checked_weight(words.weight)
    return asked, f"image:{filters!r}:{asked.identity}:{weight!r}"
