"""The engine over Milvus: the writer upserts what it numbered, and readers scan themselves what is not there yet."""

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final

import numpy as np

from core.errors import EngineUnavailable
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
from search.index.milvus.collections import Collections, State, mark_of
from search.index.milvus.server import MilvusServer
from search.index.recall import FAR_OFF_THE_ROWS, OFF_THE_ROWS, SAMPLE_SIZE, RecallProbe
from search.index.scan import best_of, check_query, scan
from search.index.where import Where

logger = logging.getLogger(__name__)

#: So few rows are fetched and compared here, which is exact whatever the server's index is.
EXACT_UP_TO: Final = 2_000
_LOOK_AGAIN_S = 1.0
_MOST_HITS: Final = 16_384


@dataclass(frozen=True)
class _View:
    """newer: rows numbered since the collection was filled. They stand for their frames, whatever it holds of them."""

    collections: Collections
    position: Position
    collection: str | None
    generation: str
    dimension: int
    newer: Rows
    looked_at_s: float

    def search(self, query: Vectors, k: int, allowed: Allowed) -> Hits:
        if isinstance(allowed, np.ndarray) and not len(allowed):
            return NO_HITS
        query = np.ascontiguousarray(query, dtype=np.float32)
        newer = self.newer
        if isinstance(allowed, Where):
            newer = newer.at(allowed.holds(newer.columns))
        elif allowed is not EVERYTHING:
            allowed = np.unique(allowed)
            newer = newer.at(np.isin(newer.frame_ids, allowed))
        parts = []
        if len(self.newer):
            check_query(query, self.newer.vectors.shape[1])
            parts.append(scan(newer.frame_ids, newer.vectors, query, k))
        if self.collection is not None:
            check_query(query, self.dimension)
            parts.append(self._search_stored(query, k, allowed))
        return best_of(parts, k)

    def _search_stored(self, query: Vectors, k: int, allowed: Allowed) -> Hits:
        """What the collection holds, but for frames that have a newer row."""
        assert self.collection is not None
        wanted = min(k + len(self.newer), _MOST_HITS)
        if allowed is EVERYTHING:
            found = self.collections.search(self.collection, query, wanted, None)
        elif isinstance(allowed, Where):
            where = allowed if self.collections.has_columns(self.collection) else None
            few = self.collections.some_where(self.collection, where, EXACT_UP_TO + 1) if where else None
            if few is not None and len(few) <= EXACT_UP_TO:
                return self._compared(query, k, np.setdiff1d(few, self.newer.frame_ids))
            found = self.collections.search(self.collection, query, wanted, where)
        else:
            left = np.setdiff1d(allowed, self.newer.frame_ids)
            if len(left) <= EXACT_UP_TO:
                return self._compared(query, k, left)
            found = self.collections.search(self.collection, query, min(k, _MOST_HITS), left)
        fresh = ~np.isin(found.frame_ids, self.newer.frame_ids)
        return Hits(found.frame_ids[fresh], found.scores[fresh])

    def _compared(self, query: Vectors, k: int, frame_ids: Ids) -> Hits:
        """Of so few frames each: exact whatever the server's index is."""
        assert self.collection is not None
        if not len(frame_ids):
            return NO_HITS
        rows = self.collections.rows(self.collection, frame_ids)
        return scan(rows.frame_ids, rows.vectors, query, k)


class MilvusIndex:
    """Vectors of one space and model in a Milvus. One instance per process and source."""

    def __init__(
        self,
        source: RowSource,
        server: MilvusServer,
        directory: Path | None = None,
        budget: Budget | None = None,
    ) -> None:
        self._source, self._server = source, server
        self._budget = budget or Budget()
        self._collections = Collections(server, source)
        self._lock = Lock()
        self._view: _View | None = None

    def apply(self) -> int:
        """Upserts what was numbered since the last time into the live collection, where one was built from these rows.

        One process at a time: an older vector of a frame must not overtake a newer one.
        """
        position = self._source.position()
        collection, state = self._ours(position)
        if collection is None or state is None or state.number >= position.number:
            return position.number
        for rows in self._source.rows(state.number, position.number):
            self._collections.put(collection, rows)
        self._fill_up_to(collection, state.generation, position.number)
        return position.number

    def now(self) -> Searchable:
        return self._fresh_view()

    def search(self, query: Vectors, k: int, allowed: Allowed) -> Hits:
        return self._fresh_view().search(query, k, allowed)

    def rebuild(self, name: str, progress: Progress | None = None) -> RebuildReport:
        """A fresh collection beside the live one, verified, and put live by switching the alias."""
        position = self._source.position()
        token = position.token
        before = self._collections.current(token)
        self._collections.drop_others(token, keep={before} if before else set())
        sample = self._source.sample(SAMPLE_SIZE, position.number)
        if not len(sample):
            return self._emptied(token)
        cells = "IVF" in self._server.index or self._server.index == "SCANN"
        moved = OFF_THE_ROWS if cells else FAR_OFF_THE_ROWS
        probe, dimension = RecallProbe(sample, moved), sample.vectors.shape[1]
        collection = self._collections.create(token, name, dimension)
        total, done = self._source.count(position.number), 0
        for rows in self._source.rows(0, position.number):
            if rows.vectors.shape[1] != dimension:
                raise EngineUnavailable("Rows of one model differ in length: embed the photos again.")
            self._collections.put(collection, rows)
            probe.observe(rows)
            done += len(rows)
            if progress:
                progress(min(done, total), total)
        self._fill_up_to(collection, name, position.number, dimension)
        recall, latency_ms = self._verified(collection, probe, done)
        self._collections.switch(token, collection)
        self._view = None  # here, at least, nobody waits until it is looked at again
        self._collections.drop_others(token, keep={collection, before} if before else {collection})
        return self._report(dimension, done, position.number, recall, latency_ms)

    def describe(self) -> Description:
        view = self._fresh_view()
        sealed = self._collections.count(view.collection) if view.collection else 0
        return Description("milvus", sealed, len(view.newer), view.position.number, view.generation)

    def differences(self) -> list[str]:
        position = self._source.position()
        current = self._collections.current(position.token)
        unfinished = [
            name
            for name in sorted(self._collections.names(position.token) - {current})
            if self._collections.state(name) is None
        ]
        found = [f"collection {name} was never finished" for name in unfinished]
        collection, state = self._ours(position)
        if current is None:
            return found
        if collection is None or state is None:
            return [*found, f"collection {current} was not built from these rows, so they are scanned"]
        return found + self._against_rows(collection, state)

    def _emptied(self, token: str) -> RebuildReport:
        """Nothing is there to be searched: not even the length of a vector is known yet."""
        self._collections.drop_all(token)
        return self._report(1, 0, 0, 1.0, 0.0)

    def _report(
        self, dimension: int, count: int, number: int, recall: float, latency_ms: float
    ) -> RebuildReport:
        return RebuildReport(
            dimension=dimension,
            count=count,
            last_number=number,
            recall_at_10=recall,
            kind=self._server.index.lower()[:12],
            latency_ms=round(latency_ms, 3),
            memory_bytes=4 * dimension * count,
            why=f"MILVUS_INDEX asks for {self._server.index}; memory is that of the vectors, in the cluster",
        )

    def _against_rows(self, collection: str, state: State) -> list[str]:
        missing = changed = told = 0
        columned = self._collections.has_columns(collection)
        for rows in self._source.rows(0, state.number):
            stored = self._collections.rows(collection, rows.frame_ids)
            here = np.isin(rows.frame_ids, stored.frame_ids)
            missing += int((~here).sum())
            if here.any():
                changed += int((stored.vectors != rows.vectors[here]).any(axis=1).sum())
                if columned:
                    told += int((stored.columns != rows.columns[:, here]).any(axis=0).sum())
        found = []
        if missing:
            found.append(f"collection {collection} lacks {missing:,} frames")
        if changed:
            found.append(f"collection {collection} holds another vector than the row of {changed:,} frames")
        if told:
            found.append(f"collection {collection} holds other columns than the row of {told:,} frames")
        if not columned:
            found.append(f"collection {collection} lacks columns to filter by")
        return found

    def _fresh_view(self) -> _View:
        position = self._source.position()
        view = self._view
        if view and view.position.covers(position) and not self._is_stale(view):
            return view
        with self._lock:
            collection, state = self._ours(position)
            after = state.number if state else 0
            newer = joined(list(self._source.rows(after, position.number)))
            dimension = self._collections.dimension(collection) if collection else 0
            generation = state.generation if state else ""
            looked_at_s = time.monotonic()
            self._view = _View(
                self._collections, position, collection, generation, dimension, newer, looked_at_s
            )
            return self._view

    def _is_stale(self, view: _View) -> bool:
        """Another process may have applied what this one scans, or have switched the alias."""
        return time.monotonic() - view.looked_at_s > _LOOK_AGAIN_S

    def _ours(self, position: Position) -> tuple[str | None, State | None]:
        """The live collection, where these very rows filled it: not those of a database that was restored since."""
        collection = self._collections.current(position.token)
        state = self._collections.state(collection) if collection else None
        if collection is None or state is None:
            return None, None
        if state.number > position.number or not self._source.knows(state.generation):
            logger.warning("Ignoring collection %s: it was built from other rows.", collection)
            return None, None
        mark = mark_of(self._source, state.number)
        if mark and state.mark and mark != state.mark:
            logger.warning("Ignoring collection %s: its last row is another than ours.", collection)
            return None, None
        return collection, state

    def _fill_up_to(
        self, collection: str, generation: str, number: int, dimension: int | None = None
    ) -> None:
        state = State(generation, number, mark_of(self._source, number))
        self._collections.set_state(collection, state, dimension or self._collections.dimension(collection))

    def _verified(self, collection: str, probe: RecallProbe, count: int) -> tuple[float, float]:
        """Recall and latency of a collection that is not live yet; EngineUnavailable where it must not be."""
        if (stored := self._collections.count(collection)) < count:
            raise EngineUnavailable(f"{collection} was not published: of {count} rows it holds {stored}.")
        recall, latency_ms = probe.measured(
            lambda query, k: self._collections.search(collection, query, k, None)
        )
        if recall < self._budget.recall_floor:
            raise EngineUnavailable(
                f"{collection} was not published: it finds only {recall:.3f} of the true nearest. "
                "Raise MILVUS_EFFORT, or take another MILVUS_INDEX."
            )
        return recall, latency_ms
