"""The engine that readers hold: the live generation, mapped, plus the tail of rows numbered since."""

import logging
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Final

import numpy as np
from numpy.typing import NDArray

from core import meanwhile
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
)
from search.index.faiss import checking, rebuilding
from search.index.faiss.generations import GenerationStore, Sealed, Stamp
from search.index.faiss.lookup import Keep
from search.index.faiss.tail import Tail
from search.index.scan import best_of, check_query, positions_of
from search.index.where import Where

logger = logging.getLogger(__name__)

#: Smaller files are opened and checked at once, in some 20 ms; while larger ones are, the former view answers.
OPENED_AT_ONCE_BYTES: Final = 32_000_000


@dataclass(frozen=True)
class _View:
    """All that one search needs, immutable: a search under way keeps its view while newer ones are made.

    outdated: positions in the generation whose frame stands in the tail with a newer vector.
    """

    position: Position
    stamp: Stamp | None
    sealed: Sealed | None
    outdated: NDArray[np.bool_]
    tail: Tail

    @cached_property
    def keep(self) -> Keep | None:
        """The positions that still count, None for all."""
        return Keep(~self.outdated) if self.outdated.any() else None

    def search(self, query: Vectors, k: int, allowed: Allowed) -> Hits:
        query = np.ascontiguousarray(query, dtype=np.float32)
        if allowed is EVERYTHING:
            return self.search_all(query, k)
        if isinstance(allowed, Where):
            return self.search_where(allowed, query, k)
        return self.search_among(allowed, query, k) if len(allowed) else NO_HITS

    def search_all(self, query: Vectors, k: int) -> Hits:
        parts = [self.tail.search(query, k)]
        if self.sealed is not None and len(self.sealed.lookup):
            check_query(query, self.sealed.about.dimension)
            parts.append(self.sealed.lookup.nearest(query, k, self.keep))
        return best_of(parts, k)

    def search_among(self, allowed: Ids, query: Vectors, k: int) -> Hits:
        parts = [self.tail.search_among(allowed, query, k)]
        if self.sealed is not None and len(self.sealed.lookup):
            check_query(query, self.sealed.about.dimension)
            positions = positions_of(allowed, self.sealed.lookup.frame_ids)
            positions = positions[~self.outdated[positions]]
            parts.append(self.sealed.lookup.nearest_among(positions, query, k))
        return best_of(parts, k)

    def search_where(self, where: Where, query: Vectors, k: int) -> Hits:
        parts = [self.tail.search_where(where, query, k)]
        if self.sealed is not None and len(self.sealed.lookup):
            check_query(query, self.sealed.about.dimension)
            lookup = self.sealed.lookup
            if lookup.columns is None:
                parts.append(lookup.nearest(query, k, self.keep))
            else:
                positions = np.flatnonzero(where.holds(lookup.columns) & ~self.outdated)
                parts.append(lookup.nearest_among(positions, query, k))
        return best_of(parts, k)


class FaissIndex:
    """Sealed generations under `directory`, one folder per space and model. One instance per process and source."""

    def __init__(self, source: RowSource, directory: Path, budget: Budget | None = None) -> None:
        self._source = source
        self._store = GenerationStore(directory)
        self._budget = budget or Budget()
        self._lock = Lock()
        self._view: _View | None = None
        self._opening: tuple[Stamp, Future[Sealed | None]] | None = None

    def apply(self) -> int:
        """Nothing to copy: every process reads the rows themselves at its next search."""
        return self._source.position().number

    def now(self) -> Searchable:
        return self._fresh_view()

    def search(self, query: Vectors, k: int, allowed: Allowed) -> Hits:
        return self._fresh_view().search(query, k, allowed)

    def rebuild(self, name: str, progress: Progress | None = None) -> RebuildReport:
        return rebuilding.rebuild(self._source, self._store, name, self._budget, progress)

    def describe(self) -> Description:
        view = self._fresh_view(wait=True)
        sealed_count = len(view.sealed.lookup) if view.sealed else 0
        name = view.sealed.name if view.sealed else ""
        return Description("faiss", sealed_count, len(view.tail), view.position.number, name)

    def differences(self) -> list[str]:
        return checking.differences(self._source, self._store)

    def _fresh_view(self, *, wait: bool = False) -> _View:
        """A view of all rows: one cheap query and one stat say whether the last one still is.

        While another large generation is opened, the former view is as right, with a longer tail; `wait` is for
        who wants the new one.
        """
        stamp, position = self._store.stamp(), self._source.position()
        if (view := self._view) and view.stamp == stamp and view.position.covers(position):
            return view
        with self._lock:
            view = self._view
            if view is None or view.position.token != position.token:
                view = self._view_of(stamp, self._store.open_current())
            elif view.stamp != stamp and (opened := self._when_opened(stamp, wait=wait)) is not None:
                view = self._view_of(stamp, opened())
            if not view.position.covers(position):
                view = self._caught_up(view, position)
            self._view = view
            return view

    def _when_opened(self, stamp: Stamp | None, *, wait: bool) -> Callable[[], Sealed | None] | None:
        """How to get the live generation where it can be had by now, None where it is still being opened."""
        name = self._store.current()
        if wait or stamp is None or name is None or self._store.size_bytes(name) <= OPENED_AT_ONCE_BYTES:
            self._opening = None
            return self._store.open_current
        if self._opening is None or self._opening[0] != stamp:
            self._opening = stamp, meanwhile.begin(self._store.open_current)
        opening = self._opening[1]
        if not opening.done():
            return None
        self._opening = None
        return opening.result

    def _view_of(self, stamp: Stamp | None, sealed: Sealed | None) -> _View:
        """A view of a generation alone, with the tail still to be read."""
        # Asked after the file was opened: it may be newer than the position this search began with.
        position = self._source.position()
        if sealed is not None and not self._is_ours(sealed, position):
            logger.warning("Ignoring index generation %s: it was built from other rows.", sealed.name)
            sealed = None
        start = sealed.about.last_number if sealed else 0
        outdated = np.zeros(len(sealed.lookup) if sealed else 0, dtype=np.bool_)
        return _View(Position(position.token, start), stamp, sealed, outdated, Tail())

    def _is_ours(self, sealed: Sealed, position: Position) -> bool:
        """False for the file of a database that was replaced or restored from before the rebuild.

        Its numbers would mean other rows. Without it all rows are tail: slower to load, and right.
        """
        about = sealed.about
        return (
            about.model_id == self._source.model_id
            and about.token == position.token
            and about.last_number <= position.number
            and self._source.knows(sealed.name)
        )

    def _caught_up(self, view: _View, position: Position) -> _View:
        """The view with the rows numbered since it was made."""
        tail, outdated = view.tail, view.outdated
        for rows in self._source.rows(view.position.number, position.number):
            tail = tail.extended(rows)
            outdated = _outdated_by(rows, view.sealed, outdated)
        return _View(position, view.stamp, view.sealed, outdated, tail)


def _outdated_by(rows: Rows, sealed: Sealed | None, outdated: NDArray[np.bool_]) -> NDArray[np.bool_]:
    if sealed is None:
        return outdated
    positions = positions_of(rows.frame_ids, sealed.lookup.frame_ids)
    if not len(positions):
        return outdated
    outdated = outdated.copy()
    outdated[positions] = True
    return outdated
