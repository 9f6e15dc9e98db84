"""What each of the engines that benchmarks/engines.py compares has to do, and how its answers are judged.

Each keeps its files in a folder, so that it is built in one process and measured in a fresh one. A filter lets every
row through whose `draw`, a number from 0 to 999, is below a bound: 100 lets a tenth through.
"""

import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Ids = NDArray[np.int64]
K = 10


class Contender(ABC):
    """draws: (N,), what filters look at."""

    #: Rows above which it is not asked: it would take hours.
    up_to = 10**9

    def __init__(self, folder: Path, vectors: Vectors, draws: NDArray[np.int64]) -> None:
        self.folder, self.vectors, self.draws = folder, vectors, draws

    @abstractmethod
    def build(self, queries: Vectors, truth: Ids) -> dict[str, Any]:
        """Indexes all vectors. The queries and their true nearest are for those whose effort must be chosen."""

    @abstractmethod
    def open(self) -> None:
        """As a process that only searches does."""

    @abstractmethod
    def search(self, query: Vectors, bound: int | None) -> list[int]:
        """The ten nearest rows, of those whose draw is below the bound."""

    @abstractmethod
    def insert(self, row: int, vector: Vectors) -> None:
        """Makes one more row findable."""


def recall_of(found: list[list[int]], truth: Ids) -> float:
    """Share of the true nearest that were found. truth: (Q, 10), -1 where there are fewer."""
    right = sum(
        len(set(hits) & set(true[true >= 0].tolist())) for hits, true in zip(found, truth, strict=True)
    )
    return right / max(int((truth >= 0).sum()), 1)


def is_found_within(contender: Contender, row: int, vector: Vectors, timeout_s: float = 2.0) -> bool:
    """Whether a search for the vector finds its row in time; a graph may never find what was added to it."""
    until = time.perf_counter() + timeout_s
    while time.perf_counter() < until:
        if row in contender.search(vector, None):
            return True
    return False
