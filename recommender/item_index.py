"""The nearest items by their words: every row in memory, every score computed. Rows are the truth; new ones are added.

A site has thousands of items where a gallery has millions of photos, so an exact scan is quick enough.
"""

from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Lock
from typing import cast

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from core import backends, meanwhile
from recommender.models import ItemVector
from search.active import active_model_id
from search.index.base import NO_HITS, Hits, Ids, Position, Vectors
from search.index.scan import check_query, top_k

#: Below this share of the rows, those of a site are gathered before they are multiplied.
_FEW = 0.3
_FIRST_CAPACITY = 256
_NOTHING_YET = Position("", 0)


@dataclass(frozen=True)
class View:
    """The rows so far, which never change under a search. row_of: item id -> its newest row; others are outdated."""

    position: Position = _NOTHING_YET
    item_ids: Ids = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    site_ids: Ids = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    vectors: Vectors = field(default_factory=lambda: np.empty((0, 0), dtype=np.float32))
    current: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, dtype=np.bool_))
    row_of: dict[int, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.item_ids)

    def nearest(self, query: Vectors, site_id: int, k: int) -> Hits:
        """As `ItemIndex.search`, without a look at the database."""
        rows = np.flatnonzero((self.site_ids == site_id) & self.current)
        if not len(rows):
            return NO_HITS
        check_query(query, self.vectors.shape[1])
        few = len(rows) < _FEW * len(self)
        scores = self.vectors[rows] @ query if few else (self.vectors @ query)[rows]
        return top_k(self.item_ids[rows], scores, k)


class ItemIndex:
    """One space and model. Safe to share between threads. An item deleted since may still be found: ask its row."""

    def __init__(self, space: str, model_id: str) -> None:
        self._space, self._model_id = space, model_id
        self._lock = Lock()
        self._view = View()
        self._buffer: Vectors = self._view.vectors
        self._read_anew_at = _FIRST_CAPACITY

    def search(self, query: Vectors, site_id: int, k: int) -> Hits:
        """The k nearest items of one site; frame_ids of the answer are item ids."""
        return self._refreshed().nearest(query, site_id, k)

    def begin_search(self, query: Vectors, site_id: int, k: int) -> Future[Hits]:
        """The same, computed on another core, where one is free, while the caller goes on."""
        return meanwhile.begin(partial(self._refreshed().nearest, query, site_id, k))

    def vectors(self, item_ids: list[int]) -> dict[int, Vectors]:
        """The vectors of these items; those without one are left out."""
        view = self._refreshed()
        return {
            item_id: view.vectors[row]
            for item_id in item_ids
            if (row := view.row_of.get(item_id)) is not None
        }

    def _refreshed(self) -> View:
        position = _position()
        if self._view.position.covers(position):
            return self._view
        with self._lock:
            if not self._view.position.covers(position):
                anew = self._view.position.token != position.token or len(self._view) > self._read_anew_at
                if anew:
                    self._buffer = View().vectors
                self._view = self._extended(View() if anew else self._view, position)
                if anew:
                    # Rows that were replaced or deleted are kept until the view has doubled.
                    self._read_anew_at = 2 * len(self._view) + _FIRST_CAPACITY
            return self._view

    def _extended(self, old: View, position: Position) -> View:
        """A view with the rows numbered up to there. Written behind the end of the old one, which stays as it is."""
        found = list(
            ItemVector.objects.filter(
                space=self._space,
                model_id=self._model_id,
                number__gt=old.position.number,
                number__lte=position.number,
            ).values_list("item_id", "item__site_id", "vector")
        )
        if not found:
            return replace(old, position=position)
        ids = np.array([row[0] for row in found], dtype=np.int64)
        fresh = np.frombuffer(b"".join(bytes(row[2]) for row in found), dtype="<f4").reshape(len(found), -1)
        start, end = len(old), len(old) + len(found)
        vectors = self._with_room_for(end, old, fresh.shape[1])
        vectors[start:end] = fresh
        current = np.concatenate(
            [old.current & ~np.isin(old.item_ids, ids), np.ones(len(found), dtype=np.bool_)]
        )
        return View(
            position,
            np.concatenate([old.item_ids, ids]),
            np.concatenate([old.site_ids, np.array([row[1] for row in found], dtype=np.int64)]),
            vectors[:end],
            current,
            {**old.row_of, **{int(item_id): start + at for at, item_id in enumerate(ids)}},
        )

    def _with_room_for(self, count: int, old: View, dimension: int) -> Vectors:
        if len(self._buffer) < count:
            larger = np.empty((max(_FIRST_CAPACITY, count + count // 4), dimension), dtype=np.float32)
            if len(old):
                larger[: len(old)] = old.vectors
            self._buffer = larger
        return self._buffer


def item_index(space: str, model_id: str | None = None) -> ItemIndex:
    """The index over the active model's vectors in this space: one per process. model_id: of who asked already."""
    path = f"{ItemIndex.__module__}.{ItemIndex.__qualname__}"
    return cast(ItemIndex, backends.load(path, space=space, model_id=model_id or active_model_id(space)))


def _position() -> Position:
    # Asked at every search, so without the ORM, whose share of it is the greater.
    with connection.cursor() as cursor:
        cursor.execute("SELECT token, last_number FROM recommender_itemposition ORDER BY id LIMIT 1")
        kept = cursor.fetchone()
    return Position(str(kept[0]), kept[1]) if kept else _NOTHING_YET
