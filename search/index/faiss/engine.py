"""The engine that readers hold: the live generation, mapped, plus the tail of rows numbered since."""

import logging
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from search.index.base import (
    EVERYTHING,
    NO_HITS,
    Allowed,
    Description,
    Hits,
    Ids,
    Position,
    Progress,
    RebuildReport,
    Rows,
    RowSource,
    Vectors,
)
from search.index.faiss import rebuilding, recipes
from search.index.faiss.generations import GenerationStore, Sealed, Stamp
from search.index.faiss.tail import Tail
from search.index.scan import best_of, check_query, positions_of, scan_at

logger = logging.getLogger(__name__)


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
    def keep(self) -> Any:
        """FAISS selector of the positions that still count, None for all."""
        if self.sealed is None or not self.outdated.any():
            return None
        return _Selector(np.packbits(~self.outdated, bitorder="little"))

    def search(self, query: Vectors, k: int) -> Hits:
        parts = [self.tail.search(query, k)]
        if self.sealed is not None and len(self.sealed.frame_ids):
            check_query(query, self.sealed.about.dimension)
            selector = self.keep.faiss if self.keep else None
            parts.append(recipes.nearest(self.sealed.index, self.sealed.frame_ids, query, k, selector))
        return best_of(parts, k)

    def search_among(self, allowed: Ids, query: Vectors, k: int) -> Hits:
        parts = [self.tail.search_among(allowed, query, k)]
        if self.sealed is not None and len(self.sealed.frame_ids):
            check_query(query, self.sealed.about.dimension)
            positions = positions_of(allowed, self.sealed.frame_ids)
            positions = positions[~self.outdated[positions]]
            parts.append(scan_at(positions, self.sealed.frame_ids, self.sealed.vectors, query, k))
        return best_of(parts, k)


@dataclass(frozen=True)
class _Selector:
    """A FAISS selector, and the bits that it only points to."""

    bits: NDArray[np.uint8]

    @cached_property
    def faiss(self) -> Any:
        return faiss.IDSelectorBitmap(self.bits)


class FaissIndex:
    """Sealed generations under `directory`, one folder per space and model. One instance per process and source."""

    def __init__(self, source: RowSource, directory: Path, flat_up_to: int = recipes.FLAT_UP_TO) -> None:
        self._source = source
        self._store = GenerationStore(directory)
        self._flat_up_to = flat_up_to
        self._lock = Lock()
        self._view: _View | None = None

    def apply(self) -> int:
        """Nothing to copy: every process reads the rows themselves at its next search."""
        return self._source.position().number

    def search(self, query: Vectors, k: int, allowed: Allowed) -> Hits:
        if allowed is not EVERYTHING and not len(allowed):
            return NO_HITS
        query = np.ascontiguousarray(query, dtype=np.float32)
        view = self._fresh_view()
        if allowed is EVERYTHING:
            return view.search(query, k)
        return view.search_among(allowed, query, k)

    def rebuild(self, name: str, progress: Progress | None = None) -> RebuildReport:
        return rebuilding.rebuild(self._source, self._store, name, self._flat_up_to, progress)

    def describe(self) -> Description:
        view = self._fresh_view()
        sealed_count = len(view.sealed.frame_ids) if view.sealed else 0
        name = view.sealed.name if view.sealed else ""
        return Description("faiss", sealed_count, len(view.tail), view.position.number, name)

    def _fresh_view(self) -> _View:
        """The newest view: one cheap query and one stat say whether the last one still is."""
        stamp, position = self._store.stamp(), self._source.position()
        if (view := self._view) and view.stamp == stamp and view.position.covers(position):
            return view
        with self._lock:
            view = self._view
            if view is None or view.stamp != stamp or view.position.token != position.token:
                view = self._opened(stamp)
            if not view.position.covers(position):
                view = self._caught_up(view, position)
            self._view = view
            return view

    def _opened(self, stamp: Stamp | None) -> _View:
        """A view of the live generation alone, with the tail still to be read."""
        sealed = self._store.open_current()
        # Asked after the file was opened: it may be newer than the position this search began with.
        position = self._source.position()
        if sealed is not None and not self._is_ours(sealed, position):
            logger.warning("Ignoring index generation %s: it was built from other rows.", sealed.name)
            sealed = None
        start = sealed.about.last_number if sealed else 0
        outdated = np.zeros(len(sealed.frame_ids) if sealed else 0, dtype=np.bool_)
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
    positions = positions_of(rows.frame_ids, sealed.frame_ids)
    if not len(positions):
        return outdated
    outdated = outdated.copy()
    outdated[positions] = True
    return outdated
