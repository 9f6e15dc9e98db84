"""Whether two pictures of a camera show the same scene, told from 97 bytes of each.

A perceptual hash (as the library keeps of each asset) answers another question: it knows no colour, one of its bits
is a frequency of the whole picture, so a person who enters in a corner moves few of them, while the noise of a camera
in the dark moves many. What matters here is whether any *part* changed: so cells are compared, each by itself.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from captioning.vision.pixels import square_pixels

_VERSION = 1
_LIGHT_CELLS, _COLOUR_CELLS = 8, 4
LENGTH_BYTES = 1 + _LIGHT_CELLS**2 + 2 * _COLOUR_CELLS**2
#: Of 255: how much a cell may change by noise, compression, or a leaf in the wind.
_LIGHT_CHANGE, _COLOUR_CHANGE = 14, 10
#: A cloud or the camera's exposure moves all cells alike: so much of it is no news.
_EXPOSURE_CHANGE = 12


def fingerprint(picture: Image.Image) -> bytes:
    """Mean brightness of 8 x 8 cells and mean colour of 4 x 4, behind a byte that names this format."""
    square = Image.fromarray(square_pixels(picture)).convert("YCbCr")
    light, *colours = square.split()
    cells = [_cells(light, _LIGHT_CELLS), *(_cells(colour, _COLOUR_CELLS) for colour in colours)]
    return bytes([_VERSION]) + b"".join(each.tobytes() for each in cells)


def is_fingerprint(data: bytes) -> bool:
    """Whether `fingerprint` of this version of the code could have made it."""
    return len(data) == LENGTH_BYTES and data[0] == _VERSION


def same_scene(one: bytes, other: bytes) -> bool:
    """Whether no part of the picture changed by more than noise, a little exposure aside."""
    changes = np.frombuffer(one[1:], np.uint8).astype(np.int16) - np.frombuffer(other[1:], np.uint8)
    light, colour = changes[: _LIGHT_CELLS**2], changes[_LIGHT_CELLS**2 :]
    exposure = float(np.clip(np.median(light), -_EXPOSURE_CHANGE, _EXPOSURE_CHANGE))
    moved = np.abs(light - exposure).max()
    return bool(moved <= _LIGHT_CHANGE and np.abs(colour).max() <= _COLOUR_CHANGE)


def _cells(band: Image.Image, side: int) -> NDArray[np.uint8]:
    return np.asarray(band.resize((side, side), Image.Resampling.BOX), dtype=np.uint8)
