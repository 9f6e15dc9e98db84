"""How sure a mean is. Plain numpy."""

import numpy as np
from numpy.typing import NDArray

_RESAMPLES = 1000


def interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """Where the mean of (N,) lies with 95% confidence: percentiles of means drawn with replacement (Efron 1979)."""
    draws = np.random.default_rng(0).integers(0, len(values), (_RESAMPLES, len(values)))
    low, high = np.quantile(values[draws].mean(axis=1), (0.025, 0.975))
    return float(low), float(high)
