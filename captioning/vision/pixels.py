"""From an opened picture to the square of pixels that the backbone reads."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

INPUT_SIZE_PX = 260
#: Shorter side that a picture keeps when it is decoded for the backbone: twice what that reads. Large photos decode
#: several times faster, and nobody sees the difference.
DECODED_PX = 2 * INPUT_SIZE_PX
#: A picture longer than this is cropped at the centre before it is squeezed into a square: people crop
#: panoramas in their heads too, while a 4:3 photo keeps its edges.
MAX_ASPECT = 4 / 3


def square_pixels(image: Image.Image) -> NDArray[np.uint8]:
    """Pixels of one picture, uint8 RGB of shape (260, 260, 3).

    Transparent pictures are laid on white: a cut-out product shot is a product on white, not on black.
    """
    return np.asarray(_squeeze(_upright_rgb(image)))


def fitted_pixels(image: Image.Image, longer_side_px: int) -> NDArray[np.uint8]:
    """The same picture in its own shape, uint8 RGB (H, W, 3), made smaller where a side is longer than this."""
    upright = _upright_rgb(image)
    upright.thumbnail((longer_side_px, longer_side_px), Image.Resampling.BICUBIC, reducing_gap=3.0)
    return np.asarray(upright)


def enlarged_pixels(image: Image.Image, longer_side_px: int, at_most: int) -> NDArray[np.uint8]:
    """The same picture in its own shape, uint8 RGB (H, W, 3), scaled to this side or `at_most` times its size."""
    upright = _upright_rgb(image)
    scale = min(longer_side_px / max(upright.size), at_most)
    width, height = (max(1, round(side * scale)) for side in upright.size)
    return np.asarray(upright.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0))


def _upright_rgb(image: Image.Image) -> Image.Image:
    """A copy of the picture."""
    image = ImageOps.exif_transpose(image)
    if "A" in image.getbands() or "transparency" in image.info:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return image.convert("RGB")


def _squeeze(image: Image.Image) -> Image.Image:
    width, height = image.size
    crop_width = min(width, round(height * MAX_ASPECT))
    crop_height = min(height, round(width * MAX_ASPECT))
    left, top = (width - crop_width) / 2, (height - crop_height) / 2
    box = (left, top, left + crop_width, top + crop_height)
    return image.resize((INPUT_SIZE_PX, INPUT_SIZE_PX), Image.Resampling.BICUBIC, box=box, reducing_gap=3.0)
