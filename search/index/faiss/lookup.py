"""Finding the nearest in one sealed generation: by all of its vectors, or by its codes and then by the vectors."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import faiss
import numpy as np
from numpy.typing import NDArray

from search.index.base import NO_HITS, Hits, Ids, Vectors
from search.index.faiss import recipes
from search.index.faiss.mapped import StoredVectors
from search.index.faiss.planning import Kind
from search.index.scan import scan_at, top_k
from search.index.where import Columns

#: So few rows are compared one by one: 20,000 of 384 numbers take some 10 ms, and the answer is exact.
EXACT_UP_TO: Final = 20_000
#: A walk over the graph that may stop at only a tenth of its places loses its way.
_GRAPH_NEEDS_SHARE: Final = 0.1
#: Candidates by codes for each hit that is wanted; what the codes confuse, the stored vectors tell apart.
_CANDIDATES: Final = {Kind.SQ8: 2, Kind.IVF: 2, Kind.HNSW: 2, Kind.RABITQ: 4}
_LEAST_CANDIDATES: Final = 20


@dataclass(frozen=True)
class Keep:
    """The positions that count. mask: (N,), True where one does."""

    mask: NDArray[np.bool_]

    @cached_property
    def count(self) -> int:
        return int(np.count_nonzero(self.mask))

    @cached_property
    def _bits(self) -> NDArray[np.uint8]:
        return np.packbits(self.mask, bitorder="little")

    @cached_property
    def selector(self) -> Any:
        """FAISS only points to the bits, which live as long as this does."""
        return faiss.IDSelectorBitmap(self._bits)


@dataclass(frozen=True)
class Lookup:
    """columns: of the positions, None where they were sealed before there were any. codes: a FAISS index over the
    positions, None where every vector is compared.
    """

    frame_ids: Ids
    stored: StoredVectors
    columns: Columns | None
    codes: Any
    kind: Kind
    effort: int

    def __len__(self) -> int:
        return len(self.frame_ids)

    def nearest(self, query: Vectors, k: int, keep: Keep | None = None) -> Hits:
        """The k nearest of those that `keep` lets count; all of these where they are fewer."""
        if self.codes is None:
            return self._compared(query, k, keep)
        there = len(self) if keep is None else keep.count
        wanted = min(there, max(_LEAST_CANDIDATES, k * _CANDIDATES[self.kind]))
        return self.at(self._candidates(query, wanted, there, keep), query, k)

    def nearest_among(self, positions: Ids, query: Vectors, k: int) -> Hits:
        """The k nearest at these positions: exact for narrow sets, with the recall of the index for wide ones."""
        share = len(positions) / max(len(self), 1)
        narrow = len(positions) <= EXACT_UP_TO or (self.kind is Kind.HNSW and share < _GRAPH_NEEDS_SHARE)
        # Of most vectors, comparing them all where they lie is quicker than picking them out.
        if narrow or (self.codes is None and share < 1 / 2):
            return self.at(positions, query, k)
        mask = np.zeros(len(self), dtype=np.bool_)
        mask[positions] = True
        return self.nearest(query, k, Keep(mask))

    def at(self, positions: Ids, query: Vectors, k: int) -> Hits:
        """The k nearest at these positions, each compared."""
        return scan_at(positions, self.frame_ids, self.stored.rows, query, k)

    def _compared(self, query: Vectors, k: int, keep: Keep | None) -> Hits:
        """All vectors against the query, where they lie."""
        if keep is not None:
            return top_k(self.frame_ids[keep.mask], (self.stored.array @ query)[keep.mask], k)
        if not len(self):
            return NO_HITS
        scores, positions = faiss.knn(
            query[None], self.stored.array, min(k, len(self)), metric=faiss.METRIC_INNER_PRODUCT
        )
        return Hits(self.frame_ids[positions[0]], scores[0])

    def _candidates(self, query: Vectors, wanted: int, there: int, keep: Keep | None) -> Ids:
        """Positions of the `wanted` nearest by codes.

        Where only a share of the vectors counts, the effort grows by as much as they are fewer, so that as many that
        count are looked at as without a filter. And it grows until there are as many as wanted: who gets fewer hits
        than asked for takes it that there are no more.
        """
        most = recipes.most_effort(self.codes, self.kind)
        effort = min(most, max(self.effort, int(self.effort * len(self) / max(there, 1))))
        while True:
            parameters = recipes.parameters(
                self.kind, max(effort, 1), wanted, keep.selector if keep else None
            )
            _, positions = self.codes.search(query.reshape(1, -1), wanted, params=parameters)
            found = positions[0][positions[0] >= 0]
            if len(found) >= wanted or effort >= most:
                return np.sort(found)
            effort = min(most, max(effort, 1) * 4)
