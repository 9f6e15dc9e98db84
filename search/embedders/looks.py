"""The ways in which a picture is looked at more than once (test-time augmentation, as Krizhevsky et al. 2012 averaged).

What is accidental in one look (where the grid's cells fall, which side is left, what stands at the edge) evens out in
the mean of several. That takes no training, only as many passes of the backbone.
"""

from collections.abc import Callable

import numpy as np
from PIL import Image

from captioning.vision.frames import Pixels

PLAIN = "plain"


def looked_at(pixels: Pixels, look: str) -> Pixels:
    """Squares (N, S, S, 3) as this look sees them, in the same shape. KeyError where there is no such look."""
    return _LOOKS[look](pixels)


def _plain(pixels: Pixels) -> Pixels:
    return pixels


def _mirror(pixels: Pixels) -> Pixels:
    return np.ascontiguousarray(pixels[:, :, ::-1])


def _near(pixels: Pixels) -> Pixels:
    return _centre(pixels, 0.85)


def _nearer(pixels: Pixels) -> Pixels:
    return _centre(pixels, 0.65)


def _centre(pixels: Pixels, share: float) -> Pixels:
    """That share of each side, enlarged."""
    side = pixels.shape[1]
    edge = side * (1 - share) / 2
    box = (edge, edge, side - edge, side - edge)
    return np.stack(
        [
            np.asarray(Image.fromarray(square).resize((side, side), Image.Resampling.BICUBIC, box=box))
            for square in pixels
        ]
    )


_LOOKS: dict[str, Callable[[Pixels], Pixels]] = {
    PLAIN: _plain,
    "mirror": _mirror,
    "near": _near,
    "nearer": _nearer,
}
#: What a vector is made of unless it says otherwise; chosen on calib (docs/retrieval.md).
LOOKS = tuple(_LOOKS)
