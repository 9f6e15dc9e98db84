"""Pictures that are looked at and not stored: the limits and errors are those of an upload."""

import os
from typing import IO, BinaryIO, cast

from django.conf import settings
from PIL import Image

from core.errors import TooLarge
from library.media.decoding import decode_file


def decode_transient(file: IO[bytes], *, at_least_px: int) -> Image.Image:
    """Upright, RGB or RGBA, maybe smaller with a shorter side of `at_least_px`.

    TooLarge, UnsupportedMedia or CorruptMedia, as for uploads.
    """
    if (file.seek(0, os.SEEK_END) or 0) > settings.UPLOAD_MAX_BYTES:
        raise TooLarge(f"The picture is larger than {settings.UPLOAD_MAX_BYTES:,} bytes.", field="file")
    file.seek(0)
    return decode_file(cast(BinaryIO, file), max_pixels=settings.UPLOAD_MAX_PIXELS, at_least_px=at_least_px)
