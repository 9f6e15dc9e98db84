"""Pictures of a dataset's files, decoded as uploads are: what is trained and measured on is what production sees."""

from pathlib import Path

from PIL import Image

from captioning.vision.pixels import DECODED_PX
from core.errors import InvalidInput
from library.media.decoding import decode_file

#: Whoever made the dataset chose its pictures; a bound keeps one damaged header from taking all memory.
_MAX_PIXELS = 400_000_000


def read_picture(path: Path, *, at_least_px: int = DECODED_PX) -> Image.Image:
    """Upright, in sRGB, mode RGB or RGBA; large ones smaller, the shorter side no less than this.

    InvalidInput, OSError where it can't be read.
    """
    try:
        with path.open("rb") as file:
            return decode_file(file, max_pixels=_MAX_PIXELS, at_least_px=at_least_px)
    except InvalidInput as error:
        raise type(error)(f"{path.parent.name}/{path.name} can't be decoded: {error}") from error
