"""A batch of frames on its way through the models. Plain arrays: no torch here."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Features:
    """What the backbone saw in N pictures.

    grid: float16, (N, 81, 1280), rows of the 9x9 grid from top left to bottom right.
    logits: float32, (N, 1000), scores of the ImageNet-1k classes.
    trunk: float16, (N, 208, 9, 9), the map before the backbone's last stage, for models with a last stage of their own;
    None of a backbone that has no such map, or where features come from a disk that kept none.
    """

    grid: NDArray[np.float16]
    logits: NDArray[np.float32]
    trunk: NDArray[np.float16] | None = None

    def __len__(self) -> int:
        return len(self.grid)


@dataclass(frozen=True)
class FrameBatch:
    """N frames ready for the models.

    pixels: uint8 RGB, (N, 260, 260, 3), each picture squeezed into the square that the backbone reads. features: what
    the backbone made of them. pictures: uint8 RGB, N times (H, W, 3), whole and in their own shape, for captioners that
    read more than the square; empty where the active one does not. contexts: N times what is known of each, as
    `captioning.vision.context` words it; empty where nothing is. made: N rows by model id, of models that more than one
    asks for the same: they look once.
    """

    pixels: Pixels
    features: Features
    pictures: Sequence[Pixels] = ()
    contexts: Sequence[str] = ()
    made: dict[str, NDArray[np.float32]] = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.features)

    def rows(self, positions: Sequence[int]) -> "FrameBatch":
        """Those at some positions, in that order."""
        at = list(positions)
        trunk = None if self.features.trunk is None else self.features.trunk[at]
        return FrameBatch(
            self.pixels[at],
            Features(self.features.grid[at], self.features.logits[at], trunk),
            [self.pictures[row] for row in at if self.pictures],
            [self.contexts[row] for row in at if self.contexts],
            {model: rows[at] for model, rows in self.made.items()},
        )
