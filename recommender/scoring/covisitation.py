"""Who turned to this also turned to that. Plain numpy; scipy where it is learned: no Django."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Pairs that few persons made say little: counts are shrunk as if so many more visitors had made none.
_SHRINKAGE = 3.0
NEIGHBOURS = 50


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
    together = (seen.T @ seen).tocsr()
    norms = np.sqrt(np.maximum(together.diagonal(), 1e-9))
    together.setdiag(0.0)
    together.eliminate_zeros()
    rows = np.repeat(np.arange(shape[1]), np.diff(together.indptr))
    both = together.data
    together.data = both / (norms[rows] * norms[together.indices]) * both / (both + _SHRINKAGE)
    for row in range(shape[1]):
        values = together.data[together.indptr[row] : together.indptr[row + 1]]
        if len(values) > most:
            values[np.argpartition(-values, most)[most:]] = 0.0
    together.eliminate_zeros()
    return Neighbours(
        together.indptr.astype(np.int64), together.indices.astype(np.int64), together.data.astype(np.float32)
    )
