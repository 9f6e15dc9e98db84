"""Rows of an index as a list in memory, numbered as the index writer numbers, and vectors to fill it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from uuid import uuid4

import numpy as np

from core.errors import EngineUnavailable
from search.index.base import NO_ROWS, Ids, Position, Rows, Vectors
from search.index.where import COLUMNS, Columns, Where

DIMENSION = 24


def unit_vectors(count: int, seed: int, dimension: int = DIMENSION) -> Vectors:
    vectors = np.random.default_rng(seed).standard_normal((count, dimension)).astype(np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


@dataclass
class ListedRows:
    """A RowSource over a dictionary, numbered as the index writer numbers."""

    space: str = "image"
    model_id: str = "model-a"
    token: str = field(default_factory=lambda: uuid4().hex)
    number: int = 0
    stored: dict[int, tuple[int, Vectors]] = field(default_factory=dict)
    told: dict[int, list[int]] = field(default_factory=dict)
    generations: set[str] = field(default_factory=set)
    chunk: int = 50
    while_streaming: Callable[[], None] | None = None

    def put(self, frame_ids: list[int] | range, vectors: Vectors, columns: Columns | None = None) -> None:
        """Commits vectors, with columns of zeros where none are given; a frame that is there gets a new number."""
        if columns is not None:
            self.told.update(zip(frame_ids, columns.T.tolist(), strict=True))
        for offset, (frame_id, vector) in enumerate(zip(frame_ids, vectors, strict=True), start=1):
            self.stored[frame_id] = (self.number + offset, vector)
        self.number += len(vectors)

    def delete(self, *frame_ids: int) -> None:
        for frame_id in frame_ids:
            del self.stored[frame_id]

    def position(self) -> Position:
        return Position(self.token, self.number)

    def rows(self, after: int, up_to: int) -> Iterator[Rows]:
        # A copy, since a test may write from another thread.
        stored = dict(self.stored)
        wanted = sorted(frame_id for frame_id, (number, _) in stored.items() if after < number <= up_to)
        for start in range(0, len(wanted), self.chunk):
            yield self._rows(wanted[start : start + self.chunk], up_to)
            if self.while_streaming:
                self.while_streaming()

    def sample(self, size: int, up_to: int) -> Rows:
        numbered = [frame_id for frame_id, (number, _) in list(self.stored.items()) if number <= up_to]
        chosen = np.random.default_rng(1).permutation(numbered)[:size]
        return self._rows(sorted(int(frame_id) for frame_id in chosen), up_to)

    def count(self, up_to: int) -> int:
        return sum(number <= up_to for number, _ in list(self.stored.values()))

    def knows(self, generation: str) -> bool:
        return generation in self.generations

    def allowed_by(self, where: Where) -> Ids:
        """The frames of which this holds."""
        frame_ids = list(self.stored)
        return np.array(frame_ids, dtype=np.int64)[where.holds(self._columns(frame_ids))]

    def truth(self, query: Vectors, k: int, allowed: Ids | None = None) -> list[int]:
        """The k nearest, one dot product at a time."""
        scores = {
            frame_id: round(float(np.dot(vector.astype(np.float64), query.astype(np.float64))), 5)
            for frame_id, (number, vector) in self.stored.items()
            if number <= self.number and (allowed is None or frame_id in allowed)
        }
        return sorted(scores, key=lambda frame_id: (-scores[frame_id], frame_id))[:k]

    def _rows(self, frame_ids: list[int], up_to: int) -> Rows:
        here = [
            frame_id
            for frame_id in frame_ids
            if frame_id in self.stored and self.stored[frame_id][0] <= up_to
        ]
        if not here:
            return NO_ROWS
        vectors = [self.stored[frame_id][1] for frame_id in here]
        if len({len(vector) for vector in vectors}) > 1:
            raise EngineUnavailable("Vectors of one model differ in length.")
        return Rows(np.array(here, dtype=np.int64), np.stack(vectors), self._columns(here))

    def _columns(self, frame_ids: list[int]) -> Columns:
        nothing = [0] * len(COLUMNS)
        told = [self.told.get(frame_id, nothing) for frame_id in frame_ids]
        return np.array(told, dtype=np.int64).reshape(-1, len(COLUMNS)).T
