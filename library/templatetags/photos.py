"""How templates show a photo: its address, its shape in a row, and what stands in its place while it loads."""

import base64
import io
import math
from functools import lru_cache

import blurhash
from django import template
from django.conf import settings
from PIL import Image

from library import selectors
from library.models import Asset

register = template.Library()

#: The stylesheet has one class per step: 12 steps to an octave of width over height, so that 4:3, 3:2 and 16:9
#: are met within one percent and nothing is cropped by more than three, and no inline style is needed (the
#: Content-Security-Policy forbids them). Panoramas and towers beyond the ends are cropped in the grid.
NARROWEST_STEP, WIDEST_STEP = -11, 15
_PLACEHOLDER_PX = 8


@register.filter
def ratio_class(asset: Asset) -> str:
    """`ratio-5` for 4:3, `ratio-0` for a square, `ratio-m5` for 3:4."""
    step = round(12 * math.log2(asset.width_px / asset.height_px))
    step = max(NARROWEST_STEP, min(WIDEST_STEP, step))
    return f"ratio-{step}" if step >= 0 else f"ratio-m{-step}"


@register.filter
def thumbnail(asset: Asset, width_px: int) -> str:
    return selectors.thumbnail_url(asset, width_px)


@register.filter
def srcset(asset: Asset) -> str:
    """Each thumbnail with its true width: a thumbnail is never wider than its original."""
    sizes = {min(width, asset.width_px): width for width in reversed(settings.THUMBNAIL_WIDTHS_PX)}
    return ", ".join(
        f"{selectors.thumbnail_url(asset, width)} {true}w" for true, width in sorted(sizes.items())
    )


@register.filter
def placeholder_uri(asset: Asset) -> str:
    """A tiny picture of the photo's colours inside the page itself, or nothing where no blurhash is known."""
    return _blur(asset.blurhash) if asset.blurhash else ""


@lru_cache(maxsize=10_000)
def _blur(hashed: str) -> str:
    try:
        rows = blurhash.decode(hashed, _PLACEHOLDER_PX, _PLACEHOLDER_PX)
    except ValueError:  # a placeholder is never worth an error page
        return ""
    values = bytes(int(value) for row in rows for pixel in row for value in pixel)
    picture = Image.frombytes("RGB", (_PLACEHOLDER_PX, _PLACEHOLDER_PX), values)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
