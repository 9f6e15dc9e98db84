"""Smaller pictures for pages, and full-size ones for strangers: neither carries the file's metadata."""

from collections.abc import Sequence
from io import BytesIO

from PIL import Image

from library.media.decoding import on_white

_WEBP_QUALITY = 80
_JPEG_QUALITY = 92
#: A strip of comics or a receipt may be a hundred times as high as wide; its thumbnail is narrower instead.
_MAX_HEIGHT_PER_WIDTH = 2


def widths_for(width_px: int, widths: Sequence[int]) -> list[int]:
    """The thumbnails worth keeping of a picture: those narrower than it, and one at its own size."""
    ordered = sorted(widths)
    narrower = [width for width in ordered if width < width_px]
    return narrower if len(narrower) == len(ordered) else ordered[: len(narrower) + 1]


def kept_width(width_px: int, asked: int, widths: Sequence[int]) -> int:
    """Which kept thumbnail answers a request for the width `asked`: a small picture has one for several."""
    return min(asked, widths_for(width_px, widths)[-1])


def webp(image: Image.Image, width_px: int) -> bytes:
    """At most `width_px` wide, never enlarged; keeps transparency."""
    out = BytesIO()
    fitted(image, width_px, width_px * _MAX_HEIGHT_PER_WIDTH).save(
        out, "WEBP", quality=_WEBP_QUALITY, method=4
    )
    return out.getvalue()


def fitted(image: Image.Image, width_px: int, height_px: int) -> Image.Image:
    """Scaled down to fit, in proportion; a picture that fits already is returned as it is."""
    scale = min(width_px / image.width, height_px / image.height)
    if scale >= 1:
        return image
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def clean_jpeg(image: Image.Image) -> bytes:
    """Full size, without what the original says of its owner: place, camera serial number, names of people."""
    out = BytesIO()
    on_white(image).save(out, "JPEG", quality=_JPEG_QUALITY, optimize=True)
    return out.getvalue()
