"""The rows numbered after the sealed generation, in memory and scanned exactly."""

from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from core.errors import EngineUnavailable
from search.index.base import NO_HITS, NO_ROWS, Hits, Ids, Rows, Vectors
from search.index.scan import check_query, top_k
from search.index.where import COLUMNS, Where

_FIRST_CAPACITY = 256


@dataclass(frozen=True)
class Tail:
    """An immutable view of the rows so far: a search under way never sees a row half written.

    `extended` writes behind the end of this view, into a buffer that only the newest view's rows reach, so
    taking in a batch during an import copies the batch's vectors and not those of the whole tail.
    outdated: True where a frame has come again later with a newer vector.
    """

    rows: Rows = NO_ROWS
    outdated: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, dtype=np.bool_))
    _buffers: Rows | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def extended(self, rows: Rows) -> Self:
        """A view that also holds `rows`. Only the newest view may be extended, by one thread at a time."""
        if not len(rows):
            return self
        if len(self) and rows.vectors.shape[1] != self.rows.vectors.shape[1]:
            raise EngineUnavailable("Rows of one model differ in length: embed the photos again.")
        before = self._with_room_for(len(rows), rows.vectors.shape[1])
        assert before._buffers is not None
        end = len(before) + len(rows)
        _write(rows, before._buffers, slice(len(before), end))
        again = np.isin(before.rows.frame_ids, rows.frame_ids)
        outdated = np.concatenate([before.outdated | again, np.zeros(len(rows), dtype=np.bool_)])
        return type(self)(before._buffers.at(slice(end)), outdated, before._buffers)

    def search(self, query: Vectors, k: int) -> Hits:
        """The k best of all rows."""
        return self._search(~self.outdated if self.outdated.any() else None, query, k)

    def search_among(self, allowed: Ids, query: Vectors, k: int) -> Hits:
        """The k best of the rows whose frame is allowed."""
        return self._search(np.isin(self.rows.frame_ids, allowed) & ~self.outdated, query, k)

    def search_where(self, where: Where, query: Vectors, k: int) -> Hits:
        """The k best of the rows of which this holds."""
        return self._search(where.holds(self.rows.columns) & ~self.outdated, query, k)

    def _search(self, keep: NDArray[np.bool_] | None, query: Vectors, k: int) -> Hits:
        if not len(self) or (keep is not None and not keep.any()):
            return NO_HITS
        check_query(query, self.rows.vectors.shape[1])
        rows = self.rows if keep is None else self.rows.at(keep)
        return top_k(rows.frame_ids, rows.vectors @ query, k)

    def _with_room_for(self, more: int, dimension: int) -> Self:
        """This view, or where its buffer is full one in a larger buffer, without what is outdated."""
        if self._buffers is not None and len(self._buffers) >= len(self) + more:
            return self
        kept = self.rows.at(~self.outdated)
        capacity = max(_FIRST_CAPACITY, 2 * (len(kept) + more))
        buffers = Rows(
            np.empty(capacity, dtype=np.int64),
            np.empty((capacity, dimension), dtype=np.float32),
            np.empty((len(COLUMNS), capacity), dtype=np.int64),
        )
        if len(kept):
            _write(kept, buffers, slice(len(kept)))
        return type(self)(buffers.at(slice(len(kept))), np.zeros(len(kept), dtype=np.bool_), buffers)


def _write(rows: Rows, into: Rows, where: slice) -> None:
    into.frame_ids[where], into.vectors[where], into.columns[:, where] = (
        rows.frame_ids,
        rows.vectors,
        rows.columns,
    )
