"""Whether a picture file is plain: readable by every program in the same way, and silent about everything else."""

from typing import IO

from PIL.JpegImagePlugin import JpegImageFile

from library.media.decoding import open_picture
from library.media.formats import PNG

_PNG_SIGNATURE_BYTES, _PNG_CHECKSUM_BYTES = 8, 4
_PNG_PIXELS = frozenset({b"IHDR", b"IDAT", b"IEND", b"pHYs", b"sRGB"})
#: They change the colours, but where the file says that it is sRGB the standard has them ignored.
_PNG_COLOURS = frozenset({b"gAMA", b"cHRM"})
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
    if isinstance(image, JpegImageFile):
        return all(_is_technical(name, content) for name, content in image.applist)
    return found is PNG and _holds_pixels_only(file)


def _is_technical(name: str, content: bytes) -> bool:
    """Of one segment of a JPEG: its density, or how its colours are packed."""
    if name == "APP0":
        return content.startswith(b"JFIF\0") and len(content) <= _JFIF_MAX_BYTES
    return name == "APP14" and content.startswith(b"Adobe")


def _holds_pixels_only(png: IO[bytes]) -> bool:
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
