"""Who turned to this also turned to that. Plain scipy: no Django."""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

#: Pairs that few persons made say little: counts are shrunk as if so many more visitors had made none.
_SHRINKAGE = 3.0
NEIGHBOURS = 50


def neighbours(
    persons: NDArray[np.int64],
    items: NDArray[np.int64],
    strengths: NDArray[np.float64],
    shape: tuple[int, int],
    most: int = NEIGHBOURS,
) -> sparse.csr_array:
    """How much more than by chance items are turned to together: (I, I), at most `most` a row, none on the diagonal.

    persons, items, strengths: (R,), one row an action; strengths say how much it weighs. shape: persons and items there
    are. The cosine of the two items' persons, shrunk (item-based filtering, Sarwar et al. 2001; shrinkage, Koren 2008).
    """
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
    return _strongest(together, most)


def _strongest(matrix: sparse.csr_array, most: int) -> sparse.csr_array:
    """The same with the `most` largest of each row alone."""
    for row in range(matrix.shape[0]):
        values = matrix.data[matrix.indptr[row] : matrix.indptr[row + 1]]
        if len(values) > most:
            values[np.argpartition(-values, most)[most:]] = 0.0
    matrix.eliminate_zeros()
    return matrix
