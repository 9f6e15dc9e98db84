"""Stored vectors as a mapped file, whose pages are given back when many were touched."""

import mmap
from pathlib import Path

import numpy as np

from search.index.base import Vectors


class MappedVectors:
    """A file of float32 as an array of shape (count, dimension). Several processes share its pages.

    Re-ranking touches a page here and there for every hit; after a day all of a large file would be resident. So
    after `give_back_after` rows the pages are unmapped: they stay in the kernel's cache, which frees them when memory
    is wanted, and come back at a touch. Searches under way are not disturbed.
    """

    def __init__(self, file: Path, count: int, dimension: int, give_back_after: int | None = None) -> None:
        expected = 4 * count * dimension
        if (size := file.stat().st_size) != expected:
            raise ValueError(f"{file.name} has {size} bytes and not {expected}")
        self._give_back_after = give_back_after
        self._touched = 0
        self._map: mmap.mmap | None = None
        if not expected:
            self.array: Vectors = np.empty((count, dimension), dtype=np.float32)
            return
        with file.open("rb") as opened:
            self._map = mmap.mmap(opened.fileno(), 0, prot=mmap.PROT_READ)
        if give_back_after is not None:
            # Neighbours of a hit in the file are no neighbours in the space: reading ahead would be waste.
            self._map.madvise(mmap.MADV_RANDOM)
        self.array = np.frombuffer(self._map, dtype=np.float32).reshape(count, dimension)

    def touched(self, rows: int) -> None:
        """Counts rows that were read. Two threads may lose a count to each other, which does no harm."""
        self._touched += rows
        if (
            self._map is not None
            and self._give_back_after is not None
            and self._touched >= self._give_back_after
        ):
            self._touched = 0
            self._map.madvise(mmap.MADV_DONTNEED)
