"""The rows numbered after the sealed generation, in memory and scanned exactly."""

from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from core.errors import EngineUnavailable
from search.index.base import NO_HITS, Hits, Ids, Rows, Vectors
from search.index.scan import check_query, top_k

_FIRST_CAPACITY = 256


@dataclass(frozen=True)
class Tail:
    """An immutable view of the rows so far: a search under way never sees a row half written.

    `extended` writes behind the end of this view, into a buffer that only the newest view's rows reach, so
    taking in a batch during an import costs the batch and not the whole tail.
    outdated: True where a frame has come again later with a newer vector.
    """

    frame_ids: Ids = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    vectors: Vectors = field(default_factory=lambda: np.empty((0, 0), dtype=np.float32))
    outdated: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, dtype=np.bool_))
    _buffers: tuple[Ids, Vectors] | None = None

    def __len__(self) -> int:
        return len(self.frame_ids)

    def extended(self, rows: Rows) -> Self:
        """A view that also holds `rows`. Only the newest view may be extended, by one thread at a time."""
        if not len(rows):
            return self
        if len(self) and rows.vectors.shape[1] != self.vectors.shape[1]:
            raise EngineUnavailable("Rows of one model differ in length: embed the photos again.")
        start, end = len(self), len(self) + len(rows)
        ids, vectors = self._with_room_for(end, rows.vectors.shape[1])
        ids[start:end], vectors[start:end] = rows.frame_ids, rows.vectors
        outdated = np.concatenate(
            [self.outdated | np.isin(self.frame_ids, rows.frame_ids), np.zeros(len(rows), dtype=np.bool_)]
        )
        return type(self)(ids[:end], vectors[:end], outdated, (ids, vectors))

    def search(self, query: Vectors, k: int) -> Hits:
        """The k best of all rows."""
        return self._search(~self.outdated if self.outdated.any() else None, query, k)

    def search_among(self, allowed: Ids, query: Vectors, k: int) -> Hits:
        """The k best of the rows whose frame is allowed."""
        return self._search(np.isin(self.frame_ids, allowed) & ~self.outdated, query, k)

    def _search(self, keep: NDArray[np.bool_] | None, query: Vectors, k: int) -> Hits:
        if not len(self) or (keep is not None and not keep.any()):
            return NO_HITS
        check_query(query, self.vectors.shape[1])
        if keep is None:
            return top_k(self.frame_ids, self.vectors @ query, k)
        return top_k(self.frame_ids[keep], self.vectors[keep] @ query, k)

    def _with_room_for(self, count: int, dimension: int) -> tuple[Ids, Vectors]:
        if self._buffers is not None and len(self._buffers[0]) >= count:
            return self._buffers
        capacity = max(_FIRST_CAPACITY, 2 * count)
        ids, vectors = np.empty(capacity, dtype=np.int64), np.empty((capacity, dimension), dtype=np.float32)
        ids[: len(self)] = self.frame_ids
        if len(self):
            vectors[: len(self)] = self.vectors
        return ids, vectors
