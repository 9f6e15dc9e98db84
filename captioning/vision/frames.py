"""A batch of frames on its way through the models. Plain arrays: no torch here."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Features:
    """What the backbone saw in N pictures.

    grid: float16, (N, 81, 1280), rows of the 9x9 grid from top left to bottom right.
    logits: float32, (N, 1000), scores of the ImageNet-1k classes.
    """

    grid: NDArray[np.float16]
    logits: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.grid)


@dataclass(frozen=True)
class FrameBatch:
    """N frames ready for the models.

    pixels: uint8 RGB, (N, 260, 260, 3), each picture squeezed into the square that the backbone reads. features: what
    the backbone made of them. pictures: uint8 RGB, N times (H, W, 3), whole and in their own shape, for captioners that
    read more than the square; empty where the active one does not.
    """

    pixels: Pixels
    features: Features
    pictures: Sequence[Pixels] = ()

    def __len__(self) -> int:
        return len(self.features)

    def rows(self, positions: Sequence[int]) -> "FrameBatch":
        """Those at some positions, in that order."""
        at = list(positions)
        features = Features(self.features.grid[at], self.features.logits[at])
        return FrameBatch(self.pixels[at], features, [self.pictures[row] for row in at if self.pictures])
