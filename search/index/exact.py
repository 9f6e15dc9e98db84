"""The oracle: all rows in memory, every score computed. Right by being plain; fine for small libraries."""

from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from core.progress import Progress
from search.index.base import (
    EVERYTHING,
    NO_HITS,
    Allowed,
    Budget,
    Description,
    Hits,
    Ids,
    Position,
    RebuildReport,
    Rows,
    RowSource,
    Searchable,
    Vectors,
    joined,
)
from search.index.scan import check_query, top_k
from search.index.where import Where


@dataclass(frozen=True)
class _View:
    """The rows numbered up to a position."""

    position: Position
    rows: Rows

    def search(self, query: Vectors, k: int, allowed: Allowed) -> Hits:
        rows = self.rows
        if not len(rows):
            return NO_HITS
        check_query(query, rows.vectors.shape[1])
        scores = rows.vectors @ query
        if allowed is EVERYTHING:
            return top_k(rows.frame_ids, scores, k)
        mask = _let_through(rows, allowed)
        return top_k(rows.frame_ids[mask], scores[mask], k)


class ExactIndex:
    """Reads every row again whenever the writer has numbered new ones. Keeps nothing on disk."""

    def __init__(
        self, source: RowSource, directory: Path | None = None, budget: Budget | None = None
    ) -> None:
        self._source = source
        self._lock = Lock()
        self._view: _View | None = None

    def apply(self) -> int:
        """Nothing to copy: every search looks at the rows themselves."""
        return self._source.position().number

    def now(self) -> Searchable:
        return self._fresh_view()

    def search(self, query: Vectors, k: int, allowed: Allowed) -> Hits:
        return self._fresh_view().search(query, k, allowed)

    def rebuild(self, name: str, progress: Progress | None = None) -> RebuildReport:
        """Reads the rows without keeping searches waiting: the next one reads its own."""
        position = self._source.position()
        rows = joined(list(self._source.rows(0, position.number)))
        if progress:
            progress(len(rows), len(rows))
        return RebuildReport(
            dimension=rows.vectors.shape[1],
            count=len(rows),
            last_number=position.number,
            recall_at_10=1.0,
            kind="exact",
            latency_ms=0.0,
            memory_bytes=rows.vectors.nbytes,
            why="this engine knows only one kind, and seals nothing",
        )

    def describe(self) -> Description:
        view = self._fresh_view()
        return Description("exact", 0, len(view.rows), view.position.number, "")

    def differences(self) -> list[str]:
        """None: there are only the rows."""
        return []

    def _fresh_view(self) -> _View:
        position = self._source.position()
        with self._lock:
            if self._view is None or not self._view.position.covers(position):
                self._view = _View(position, joined(list(self._source.rows(0, position.number))))
            return self._view


def _let_through(rows: Rows, allowed: Ids | Where) -> NDArray[np.bool_]:
    return allowed.holds(rows.columns) if isinstance(allowed, Where) else np.isin(rows.frame_ids, allowed)
