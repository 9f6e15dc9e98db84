"""From a query's text to its vectors, by models that each process loads at its first query."""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache, partial
from typing import cast

import numpy as np

from core import backends, meanwhile
from core.errors import ModelUnavailable
from search.active import ActiveEmbedder, active_embedders, configured
from search.embedders.base import Embedder
from search.index.base import Vectors

#: People page, reload and share: the same text comes again within minutes.
_REMEMBERED_QUERIES = 256


def embedder(space: str) -> Embedder:
    """The active embedder of a space."""
    return loaded(space, active_embedders()[space])


def configured_embedder(space: str) -> Embedder:
    """The embedder that the settings name, whatever was switched to since: it measures without a database."""
    return loaded(space, configured(space))


def loaded(space: str, model: ActiveEmbedder) -> Embedder:
    """The embedder of a model. ModelUnavailable where it names itself otherwise than it is known by.

    Rows are looked for under that id: vectors of another model would silently find nothing.
    """
    where = {"checkpoint": model.checkpoint} if model.checkpoint else {}
    found = cast(Embedder, backends.load(model.embedder, **where))
    if found.model_id != model.model_id:
        raise ModelUnavailable(
            f"The loaded embedder of {space} is {found.model_id!r}, but {model.model_id!r} is configured."
        )
    return found


def query_vectors(text: str, models: Mapping[str, ActiveEmbedder]) -> dict[str, Vectors]:
    """A text in the space of each of these models, each vector of shape (dimension,). Read-only: they are shared."""
    return {space: _encoded(space, model, text) for space, model in models.items()}


def begin_query_vectors(text: str, models: Mapping[str, ActiveEmbedder]) -> Mapping[str, Vectors]:
    """The same by the time one is asked for: they are made on another core while the caller goes on."""
    return _Begun(text, models)


class _Begun(Mapping[str, Vectors]):
    """Knows its spaces at once, and waits for their vectors."""

    def __init__(self, text: str, models: Mapping[str, ActiveEmbedder]) -> None:
        self._spaces = tuple(models)
        self._vectors = meanwhile.begin(partial(query_vectors, text, models))

    def __getitem__(self, space: str) -> Vectors:
        return self._vectors.result()[space]

    def __iter__(self) -> Iterator[str]:
        return iter(self._spaces)

    def __len__(self) -> int:
        return len(self._spaces)


def known_words(words: Iterable[str], models: Mapping[str, ActiveEmbedder]) -> set[str]:
    """The words that one of these models knows as wholes: they mean something, whatever photos there are.

    An embedder that can tell has a method `knows`.
    """
    tellers = [getattr(loaded(space, model), "knows", None) for space, model in models.items()]
    return {word for word in words if any(knows(word) for knows in tellers if knows is not None)}


@lru_cache(maxsize=_REMEMBERED_QUERIES)
def _encoded(space: str, model: ActiveEmbedder, text: str) -> Vectors:
    vector = np.asarray(loaded(space, model).embed_queries([text])[0], dtype=np.float32)
    vector.setflags(write=False)
    return vector
