"""Tastes that nobody named: factors of persons and items, from what persons did. No Django."""

import numpy as np
from numpy.typing import NDArray

FACTORS = 32
_REGULARIZATION = 10.0
_ITERATIONS = 15
#: How much surer an action makes us than none: confidence is one plus this times its strength.
_SURENESS = 20.0
_SEED = 0


def item_factors(
    persons: NDArray[np.int64],
    items: NDArray[np.int64],
    strengths: NDArray[np.float64],
    shape: tuple[int, int],
    factors: int = FACTORS,
) -> NDArray[np.float32]:
    """(I, factors), learned by alternating least squares (Hu, Koren and Volinsky 2008).

    persons, items, strengths: (R,), one row an action. Whose factors a visitor has is told by `taste`, at once and
    without learning again. Items that nobody turned to have none: zeros.
    """
    from implicit.cpu.als import AlternatingLeastSquares
    from scipy import sparse

    done = sparse.csr_matrix((strengths, (persons, items)), shape=shape)
    done.sum_duplicates()
    model = AlternatingLeastSquares(
        factors=factors,
        regularization=_REGULARIZATION,
        alpha=_SURENESS,
        iterations=_ITERATIONS,
        random_state=_SEED,
        num_threads=1,
        use_cg=False,
    )
    model.fit(done, show_progress=False)
    learned = np.asarray(model.item_factors, dtype=np.float32)
    learned[np.bincount(items, minlength=shape[1]) == 0] = 0.0
    return learned


def taste(
    factors: NDArray[np.float32], items: NDArray[np.int64], strengths: NDArray[np.float64]
) -> NDArray[np.float32]:
    """The factors (F,) of one who did this, given those of all items (I, F): one step of the same least squares.

    items, strengths: (R,), each item once.
    """
    gram = factors.T @ factors
    mine = factors[items].astype(np.float64)
    sureness = _SURENESS * strengths
    left = gram + (mine.T * sureness) @ mine + _REGULARIZATION * np.eye(factors.shape[1])
    right = mine.T @ (1.0 + sureness)
    return np.linalg.solve(left, right).astype(np.float32)
