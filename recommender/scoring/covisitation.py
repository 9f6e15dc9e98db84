"""Who turned to this also turned to that. Plain numpy; scipy where it is learned: no Django."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Pairs that few persons made say little: counts are shrunk as if so many more visitors had made none.
_SHRINKAGE = 3.0
NEIGHBOURS = 50
#: So many pairs are held at once, some 100 MB; of a large site there may be as many as its items squared.
_PAIRS_AT_ONCE = 2_000_000


class Neighbours(NamedTuple):
    """Of each of I items those that go with it, and how much: item i has indices and values [indptr[i]:indptr[i + 1]].

    indptr: (I + 1,). indices, values: (R,).
    """

    indptr: NDArray[np.int64]
    indices: NDArray[np.int64]
    values: NDArray[np.float32]

    def together(self, items: NDArray[np.int64], weights: NDArray[np.float64]) -> NDArray[np.float32]:
        """How much all items (I,) go with these ones, each weighed."""
        scores = np.zeros(len(self.indptr) - 1)
        for item, weight in zip(items.tolist(), weights.tolist(), strict=True):
            here = slice(self.indptr[item], self.indptr[item + 1])
            scores[self.indices[here]] += weight * self.values[here]
        return scores.astype(np.float32)


def neighbours(
    persons: NDArray[np.int64],
    items: NDArray[np.int64],
    strengths: NDArray[np.float64],
    shape: tuple[int, int],
    most: int = NEIGHBOURS,
) -> Neighbours:
    """What goes together more than by chance: at most `most` of each item, never the item itself.

    persons, items, strengths: (R,), one row an action; strengths say how much it weighs. shape: persons and items there
    are. The cosine of the two items' persons, shrunk (item-based filtering, Sarwar et al. 2001; shrinkage, Koren 2008).
    """
    from scipy import sparse

    seen = sparse.csr_array((strengths, (persons, items)), shape=shape)
    seen.sum_duplicates()
    seen.data = np.minimum(seen.data, 1.0)  # twice by the same person is once
    norms = np.sqrt(np.maximum(np.bincount(seen.indices, seen.data**2, minlength=shape[1]), 1e-9))
    seen_by = seen.T.tocsr()
    near = [_nearest(seen_by, seen, norms, rows, most) for rows in _portions(_pairs_at_most(seen))]
    kept = sparse.vstack(near, format="csr")
    return Neighbours(
        kept.indptr.astype(np.int64), kept.indices.astype(np.int64), kept.data.astype(np.float32)
    )


def _pairs_at_most(seen: Any) -> NDArray[np.int64]:
    """With how many others each item may go together, (I,): with what all of its persons turned to."""
    turned_to = np.diff(seen.indptr)
    pairs = np.bincount(seen.indices, np.repeat(turned_to, turned_to), minlength=seen.shape[1])
    at_most: NDArray[np.int64] = np.minimum(pairs, seen.shape[1]).astype(np.int64)
    return at_most


def _portions(pairs: NDArray[np.int64]) -> Iterator[slice]:
    """Items that make no more pairs together than are held at once; one that makes more is a portion by itself."""
    so_far = np.cumsum(pairs)
    start = 0
    while start < len(pairs):
        most = so_far[start] - pairs[start] + _PAIRS_AT_ONCE
        stop = max(start + 1, int(np.searchsorted(so_far, most, side="right")))
        yield slice(start, stop)
        start = stop


def _nearest(seen_by: Any, seen: Any, norms: NDArray[np.float64], portion: slice, most: int) -> Any:
    """What goes with these items, a sparse row of each. seen_by: items by persons; seen: persons by items."""
    together = (seen_by[portion] @ seen).tocsr()
    rows = portion.start + np.repeat(np.arange(together.shape[0]), np.diff(together.indptr))
    both = together.data
    together.data = both / (norms[rows] * norms[together.indices]) * both / (both + _SHRINKAGE)
    together.data[together.indices == rows] = 0.0
    together.eliminate_zeros()
    for row in range(together.shape[0]):
        values = together.data[together.indptr[row] : together.indptr[row + 1]]
        if len(values) > most:
            values[np.argpartition(-values, most)[most:]] = 0.0
    together.eliminate_zeros()
    return together
