"""The colours of which a picture has much, by the names that people give them. Plain numpy.

Colours are told apart by hue, saturation and brightness, with the borders where everyday English has them: dark
orange is brown, pale red is pink, and what has hardly any saturation is black, grey or white.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

#: Names the palette, its borders and the share; another value makes other rows.
MODEL_ID = "palette-12-v1"
COLOURS = (
    "black", "white", "grey", "red", "orange", "yellow", "green", "turquoise", "blue", "purple", "pink", "brown",
)  # fmt: skip
#: A colour counts from this share of the pixels on; the most frequent one counts in any case.
MIN_SHARE = 0.15
#: Every so many pixels in each direction are looked at: 65 x 65 of 260 x 260.
_STEP = 4
#: Where one hue ends and the next begins, in degrees, and what lies between; red lies on both sides of 0.
_HUE_ENDS = np.array([15, 42, 70, 165, 195, 255, 290, 345])
_HUES = ("red", "orange", "yellow", "green", "turquoise", "blue", "purple", "pink", "red")
_DARK, _DIM, _PALE, _BRIGHT = 0.18, 0.62, 0.14, 0.82


def dominant_colours(pixels: NDArray[np.uint8]) -> Iterator[dict[str, float]]:
    """For each of N pictures (uint8 RGB, (N, H, W, 3)) its colours with their shares, the greatest first."""
    for picture in pixels:
        named = _named(picture[::_STEP, ::_STEP].reshape(-1, 3))
        shares = np.bincount(named, minlength=len(COLOURS)) / len(named)
        order = np.argsort(-shares, kind="stable")
        kept = [at for rank, at in enumerate(order) if rank == 0 or shares[at] >= MIN_SHARE]
        yield {COLOURS[at]: round(float(shares[at]), 3) for at in kept}


def _named(rgb: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Of each pixel (N, 3) the position of its name in COLOURS."""
    hue, saturation, value = _hsv(rgb)
    by_hue = np.array([COLOURS.index(name) for name in _HUES])
    named = by_hue[np.searchsorted(_HUE_ENDS, hue, side="right")]
    warm = (hue < _HUE_ENDS[1]) & (hue >= 8)
    named[warm & (value < _DIM)] = COLOURS.index("brown")
    reddish = (hue < _HUE_ENDS[0]) | (hue >= _HUE_ENDS[6])
    named[reddish & (saturation < 0.5) & (value >= _DIM)] = COLOURS.index("pink")
    pale = saturation < _PALE
    named[pale] = COLOURS.index("grey")
    named[pale & (value >= _BRIGHT)] = COLOURS.index("white")
    named[value < _DARK] = COLOURS.index("black")
    return named


def _hsv(rgb: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Hue in degrees, saturation and value in [0, 1], each (N,) of (N, 3)."""
    scaled = rgb.astype(np.float64) / 255
    value = scaled.max(axis=1)
    spread = value - scaled.min(axis=1)
    saturation = np.divide(spread, value, out=np.zeros_like(value), where=value > 0)
    safe = np.where(spread > 0, spread, 1)
    red, green, blue = scaled.T
    hue = np.select(
        [value == red, value == green],
        [(green - blue) / safe, 2 + (blue - red) / safe],
        4 + (red - green) / safe,
    )
    return np.where(spread > 0, (hue * 60) % 360, 0.0), saturation, value
