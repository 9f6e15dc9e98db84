"""Copies of originals for programs that read plain pictures only: upright, sRGB, without metadata."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

from django.conf import settings
from django.core.files.storage import default_storage

from library import storage
from library.media.decoding import open_picture, orientation_of
from library.media.thumbnails import clean_jpeg
from library.models import Asset
from library.selectors import open_picture_of

#: Read by Pillow alone, as it is.
_PLAIN = ("jpg", "png")
#: Metadata may turn the picture, change its colours, or tell where it was taken.
_METADATA = ("exif", "icc_profile", "xmp", "XML:com.adobe.xmp")
_COPY_BYTES = 1 << 20


def write_plain_copy(asset: Asset, folder: Path) -> str:
    """Have `<sha256>.<extension>` in `folder`, whole; returns its name. CorruptMedia where the original is no picture.

    The original itself, linked where the disk allows, if it is plain already; else the decoded picture as JPEG. What
    is there already stays.
    """
    extension = asset.original_key.rpartition(".")[2]
    names = [f"{asset.sha256}.{each}" for each in dict.fromkeys([extension, "jpg"]) if each in _PLAIN]
    for name in names:
        if (folder / name).is_file():
            return name
    if _is_plain(asset, extension):
        _link_or_copy(asset.original_key, folder / names[0])
        return names[0]
    name = f"{asset.sha256}.jpg"
    scratch = folder / f"{name}.new"
    scratch.write_bytes(clean_jpeg(open_picture_of(asset)))
    scratch.replace(folder / name)
    return name


def _is_plain(asset: Asset, extension: str) -> bool:
    """Whether every reader sees in the original what we see; reads its header only."""
    if extension not in _PLAIN:
        return False
    try:
        file = storage.open_file(asset.original_key)
    except FileNotFoundError:
        return False  # decoding it says so
    with file:
        _, image = open_picture(file, max_pixels=settings.UPLOAD_MAX_PIXELS)
        told = any(key in image.info for key in _METADATA)
        return image.mode in {"L", "RGB"} and orientation_of(image) == 1 and not told


def _link_or_copy(key: str, target: Path) -> None:
    scratch = target.with_name(f"{target.name}.new")
    scratch.unlink(missing_ok=True)
    with suppress(NotImplementedError, OSError):  # another disk, or no disk at all
        os.link(default_storage.path(key), scratch)
    if not scratch.is_file():
        with storage.open_file(key) as file, scratch.open("wb") as copy:
            shutil.copyfileobj(file, copy, _COPY_BYTES)
    scratch.replace(target)
