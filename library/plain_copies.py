"""Copies of originals for programs that read plain pictures only: upright, sRGB, without metadata."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

from django.conf import settings
from django.core.files.storage import default_storage

from core.errors import CorruptMedia, TooLarge, UnsupportedMedia
from library import storage
from library.media.plain import is_plain
from library.media.thumbnails import clean_jpeg
from library.models import Asset
from library.selectors import open_picture_of

#: Read by Pillow alone, as it is.
_PLAIN = ("jpg", "png")
_COPY_BYTES = 1 << 20


def write_plain_copy(asset: Asset, folder: Path) -> str:
    """Have `<sha256>.<extension>` in `folder`, whole; returns its name. CorruptMedia where the original is no picture.

    The original itself, linked where the disk allows, if it is plain already; else the decoded picture as JPEG. What
    is there already stays, unless it tells more than pixels: former exports linked what they didn't know for metadata.
    """
    extension = asset.original_key.rpartition(".")[2]
    names = [f"{asset.sha256}.{each}" for each in dict.fromkeys([extension, "jpg"]) if each in _PLAIN]
    for name in names:
        if _stands(folder / name):
            return name
    if _is_plain(asset, extension):
        _link_or_copy(asset.original_key, folder / names[0])
        return names[0]
    name = f"{asset.sha256}.jpg"
    scratch = folder / f"{name}.new"
    scratch.write_bytes(clean_jpeg(open_picture_of(asset)))
    scratch.replace(folder / name)
    return name


def _stands(copy: Path) -> bool:
    try:
        with copy.open("rb") as file:
            return is_plain(file, max_pixels=settings.UPLOAD_MAX_PIXELS)
    except (FileNotFoundError, CorruptMedia, TooLarge, UnsupportedMedia):
        return False


def _is_plain(asset: Asset, extension: str) -> bool:
    if extension not in _PLAIN:
        return False
    try:
        file = storage.open_file(asset.original_key)
    except FileNotFoundError:
        return False  # decoding it says so
    with file:
        return is_plain(file, max_pixels=settings.UPLOAD_MAX_PIXELS)


def _link_or_copy(key: str, target: Path) -> None:
    scratch = target.with_name(f"{target.name}.new")
    scratch.unlink(missing_ok=True)
    with suppress(NotImplementedError, OSError):  # another disk, or no disk at all
        os.link(default_storage.path(key), scratch)
    if not scratch.is_file():
        try:
            file = storage.open_file(key)
        except FileNotFoundError as error:  # removed since it was looked at
            raise CorruptMedia("The stored file of this asset is missing.") from error
        with file, scratch.open("wb") as copy:
            shutil.copyfileobj(file, copy, _COPY_BYTES)
    scratch.replace(target)
