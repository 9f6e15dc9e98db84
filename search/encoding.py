"""From a query's text to its vectors, by models that each process loads at its first query."""

from functools import lru_cache
from typing import cast

import numpy as np
from django.conf import settings

from core import backends
from core.errors import ModelUnavailable
from search.active import active_model_id, spaces
from search.embedders.base import Embedder
from search.index.base import Vectors

#: People page, reload and share: the same text comes again within minutes.
_REMEMBERED_QUERIES = 256


def embedder(space: str) -> Embedder:
    """The active embedder of a space. ModelUnavailable where it names itself otherwise than the settings do.

    Rows are looked for under the configured id: vectors of another model would silently find nothing.
    """
    loaded = cast(Embedder, backends.load(settings.EMBEDDERS[space]))
    if loaded.model_id != active_model_id(space):
        raise ModelUnavailable(
            f"The loaded embedder of {space} is {loaded.model_id!r}, but {active_model_id(space)!r} is configured."
        )
    return loaded


def query_vectors(text: str) -> dict[str, Vectors]:
    """A text in every space, each vector of shape (dimension,). Read-only: they are shared."""
    return {space: _encoded(space, active_model_id(space), text) for space in spaces()}


@lru_cache(maxsize=_REMEMBERED_QUERIES)
def _encoded(space: str, model_id: str, text: str) -> Vectors:
    vector = np.asarray(embedder(space).embed_queries([text])[0], dtype=np.float32)
    vector.setflags(write=False)
    return vector
