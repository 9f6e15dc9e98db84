"""What many turn to, and lately: counts that fade. Plain numpy: no Django."""

import numpy as np
from numpy.typing import NDArray

#: After so long an action counts half. A month: in the simulation a week forgets more than it gains.
HALF_LIFE_S = 30 * 86_400.0


def decay(ages_s: NDArray[np.float64], half_life_s: float = HALF_LIFE_S) -> NDArray[np.float64]:
    """What is left of actions of these ages: 1 now, a half after each half-life. The future counts as now."""
    faded: NDArray[np.float64] = 0.5 ** (np.maximum(ages_s, 0.0) / half_life_s)
    return faded


def popularity(
    items: NDArray[np.int64],
    strengths: NDArray[np.float64],
    ages_s: NDArray[np.float64],
    count: int,
) -> NDArray[np.float32]:
    """Of each of `count` items, between 0 and 1: items, strengths, ages_s (R,), one row an action.

    The logarithm, since the first ten clicks say more than ten after a thousand, over that of the most popular.
    """
    weighed = np.bincount(items, strengths * decay(ages_s), minlength=count)
    scores = np.log1p(np.maximum(weighed, 0.0))
    top = scores.max(initial=0.0)
    return (scores / top if top > 0 else scores).astype(np.float32)
