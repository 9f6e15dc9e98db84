"""Whether a picture file is plain: readable by every program in the same way, and silent about everything else."""

import re
from typing import IO

from library.media.decoding import open_picture
from library.media.formats import JPEG, PNG

_PNG_SIGNATURE_BYTES, _PNG_CHECKSUM_BYTES = 8, 4
_PNG_PIXELS = frozenset({b"IHDR", b"IDAT", b"IEND", b"pHYs", b"sRGB"})
#: They change the colours, but where the file says that it is sRGB the standard has them ignored.
_PNG_COLOURS = frozenset({b"gAMA", b"cHRM"})
_JPEG_START = b"\xff\xd8"
#: Of a segment. Within pixels an FF is followed by 00, or by the number of a restart; it may be repeated.
_JPEG_MARKER = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]")
_JPEG_SCAN, _JPEG_END, _JPEG_APP0, _JPEG_APP14 = 0xDA, 0xD9, 0xE0, 0xEE
#: Blocks of programs, comments, and what no standard uses; the others hold pixels, or say how to read them.
_JPEG_TELLING = frozenset({*range(0x01, 0xC0), *range(0xE0, 0xFF)})
#: Longer, it holds a picture of its own, which may show what was cut off since.
_JFIF_MAX_BYTES = 14


def is_plain(file: IO[bytes], *, max_pixels: int) -> bool:
    """Whether a JPEG or PNG holds pixels in grey or sRGB, upright and opaque, and nothing beside them.

    Named is what may be there, as programs keep inventing blocks for places, people and words. Reads no pixels;
    raises what `open_picture` does.
    """
    found, image = open_picture(file, max_pixels=max_pixels)
    if image.mode not in {"L", "RGB"}:
        return False
    if found is JPEG:
        file.seek(0)
        return _jpeg_holds_pixels_only(file.read())
    return found is PNG and _png_holds_pixels_only(file)


def _jpeg_holds_pixels_only(jpeg: bytes) -> bool:
    """Walks from segment to segment to the very end: blocks may stand between scans, anything behind the picture."""
    at, find = len(_JPEG_START), _JPEG_MARKER.match
    while marker := find(jpeg, at):
        kind, at = jpeg[marker.end() - 1], marker.end()
        if kind == _JPEG_END:
            return at == len(jpeg)
        find = _JPEG_MARKER.search if kind == _JPEG_SCAN else _JPEG_MARKER.match  # only pixels have no length
        size = int.from_bytes(jpeg[at : at + 2], "big")
        if kind in _JPEG_TELLING and not _is_technical(kind, jpeg[at + 2 : at + size]):
            return False
        at += size
    return False


def _is_technical(kind: int, content: bytes) -> bool:
    """Of one segment of a JPEG: its density, or how its colours are packed."""
    if kind == _JPEG_APP0:
        return content.startswith(b"JFIF\0") and len(content) <= _JFIF_MAX_BYTES
    return kind == _JPEG_APP14 and content.startswith(b"Adobe")


def _png_holds_pixels_only(png: IO[bytes]) -> bool:
    """Walks from chunk to chunk: words may follow the pixels, where Pillow looks only after decoding."""
    seen: set[bytes] = set()
    png.seek(_PNG_SIGNATURE_BYTES)
    while b"IEND" not in seen:
        head = png.read(8)
        if head[4:] not in _PNG_PIXELS | _PNG_COLOURS:
            return False
        seen.add(head[4:])
        png.seek(int.from_bytes(head[:4], "big") + _PNG_CHECKSUM_BYTES, 1)
    return not png.read(1) and (b"sRGB" in seen or not seen & _PNG_COLOURS)
