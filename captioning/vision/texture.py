"""The look of a picture before anything is learned on top: what the frozen backbone saw, pooled. Plain numpy."""

import numpy as np
from numpy.typing import NDArray

_BATCH = 64


def textures(grid: NDArray[np.float16]) -> NDArray[np.float32]:
    """Grids (N, 81, 1280), as in `Features`, to vectors (N, 1280) of unit length.

    The root of the mean activation of each channel, so that a few strong channels do not drown the others (the
    Hellinger kernel; Arandjelović and Zisserman 2012 for descriptors of another kind).
    """
    means = [grid[at : at + _BATCH].astype(np.float32).mean(axis=1) for at in range(0, len(grid), _BATCH)]
    roots = np.sqrt(np.maximum(np.concatenate(means), 0.0)) if means else np.empty((0, grid.shape[2]))
    lengths = np.linalg.norm(roots, axis=1, keepdims=True)
    # A grid of zeros, which no picture gives, points nowhere in particular: everywhere alike.
    even = np.full_like(roots, 1.0 / np.sqrt(grid.shape[2]))
    return np.where(lengths > 0, roots / np.maximum(lengths, 1e-12), even).astype(np.float32)
