"""Stored vectors in a file that several processes share, read without keeping all of it resident."""

import mmap
import os
import weakref
from pathlib import Path

import numpy as np

from search.index.base import Ids, Vectors

#: So few rows are read by a call each, some microseconds; the kernel would map 64 kB around each that is touched.
_READ_UP_TO = 1_000


class StoredVectors:
    """A file of float32 as an array of shape (count, dimension), mapped.

    sparing: re-ranking touches a row here and there for every hit, and after a day all of a large file would be
    resident. So rows are read instead of mapped where they are few, and where they are many their pages are unmapped
    afterwards: they stay in the kernel's cache, which frees them when memory is wanted.
    """

    def __init__(self, file: Path, count: int, dimension: int, *, sparing: bool = False) -> None:
        expected = 4 * count * dimension
        if (size := file.stat().st_size) != expected:
            raise ValueError(f"{file.name} has {size} bytes and not {expected}")
        self._sparing = sparing and bool(expected)
        self._map: mmap.mmap | None = None
        if not expected:
            self.array: Vectors = np.empty((count, dimension), dtype=np.float32)
            return
        self._descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        weakref.finalize(self, os.close, self._descriptor)
        self._map = mmap.mmap(self._descriptor, 0, prot=mmap.PROT_READ)
        self.array = np.frombuffer(self._map, dtype=np.float32).reshape(count, dimension)

    def rows(self, positions: Ids) -> Vectors:
        """A copy of the rows at these positions."""
        if not self._sparing:
            return self.array[positions]
        if len(positions) > _READ_UP_TO:
            rows = self.array[positions]
            self.give_back()
            return rows
        rows = np.empty((len(positions), self.array.shape[1]), dtype=np.float32)
        row_bytes = rows.itemsize * rows.shape[1]
        for into, position in zip(rows, positions.tolist(), strict=True):
            os.preadv(self._descriptor, [into], position * row_bytes)
        return rows

    def give_back(self) -> None:
        """Unmaps what was touched. Searches under way are not disturbed: a page comes back at the next touch."""
        if self._sparing and self._map is not None:
            self._map.madvise(mmap.MADV_DONTNEED)
