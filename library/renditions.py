"""Pictures made from an original: kept in storage, made anew where they are missing."""

from collections.abc import Callable

from django.conf import settings
from django.core.files.base import ContentFile, File
from PIL import Image

from core.errors import NotFound
from library import storage
from library.media import thumbnails
from library.models import Asset
from library.selectors import open_picture_of

#: Of a clean copy, whatever the original is.
CLEAN_COPY_TYPE = "image/jpeg"


def open_thumbnail(asset: Asset, width_px: int) -> File[bytes]:
    """WebP of one of the configured widths; NotFound for another, or the cache could be filled without end."""
    widths = settings.THUMBNAIL_WIDTHS_PX
    if width_px not in widths:
        raise NotFound(f"Thumbnails are {' or '.join(map(str, widths))} pixels wide.")
    kept = thumbnails.kept_width(asset.width_px, width_px, widths)
    key = storage.thumbnail_key(asset.sha256, kept)
    return _kept_or_made(asset, key, lambda image: thumbnails.webp(image, kept), at_least_px=2 * kept)


def open_clean_copy(asset: Asset) -> File[bytes]:
    """The whole picture as JPEG without its metadata: what anybody but the owner may have of the original."""
    return _kept_or_made(asset, storage.clean_copy_key(asset.sha256), thumbnails.clean_jpeg, at_least_px=None)


def _kept_or_made(
    asset: Asset, key: str, make: Callable[[Image.Image], bytes], *, at_least_px: int | None
) -> File[bytes]:
    try:
        kept = storage.open_file(key)
    except FileNotFoundError:
        kept = None
    if kept and kept.size:
        return kept
    if kept:
        kept.close()  # a power cut can leave a name without content
    made = make(open_picture_of(asset, at_least_px=at_least_px))
    storage.put(key, made)
    return ContentFile(made)  # not read back: the asset may be deleted meanwhile, with all its files
