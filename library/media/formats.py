"""Which kind of file this is, judged by its first bytes and never by its name."""

from dataclasses import dataclass
from typing import IO

HEAD_BYTES = 64
#: Sizes of the header that follows a BMP's first 14 bytes; "BM" alone would also match prose.
_BMP_HEADER_SIZES = {12, 40, 52, 56, 64, 108, 124}


@dataclass(frozen=True)
class Format:
    """A type of picture that we read. `pillow_name` is the only decoder that may touch such a file."""

    mime_type: str
    extension: str
    pillow_name: str


JPEG = Format("image/jpeg", "jpg", "JPEG")
PNG = Format("image/png", "png", "PNG")
WEBP = Format("image/webp", "webp", "WEBP")
GIF = Format("image/gif", "gif", "GIF")
AVIF = Format("image/avif", "avif", "AVIF")
HEIC = Format("image/heic", "heic", "HEIF")
TIFF = Format("image/tiff", "tif", "TIFF")
BMP = Format("image/bmp", "bmp", "BMP")

READABLE = "JPEG, PNG, WebP, GIF, AVIF, HEIC, TIFF or BMP"
#: Names people give to pictures: only used to tell a damaged picture from a file that never was one.
PICTURE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".avif"),
    *(".heic", ".heif", ".hif", ".tif", ".tiff", ".bmp", ".dib"),
)

_SIGNATURES = (
    (b"\xff\xd8\xff", JPEG),
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"II*\x00", TIFF),
    (b"MM\x00*", TIFF),
    (b"II+\x00", TIFF),
    (b"MM\x00+", TIFF),
)
_ZIP_SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_AVIF_BRANDS = {b"avif", b"avis"}
_HEIF_BRANDS = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"msf1"}


def head_of(file: IO[bytes]) -> bytes:
    """The first bytes of a seekable file, which is left at its start."""
    file.seek(0)
    head = file.read(HEAD_BYTES)
    file.seek(0)
    return head


def is_zip(head: bytes) -> bool:
    return head.startswith(_ZIP_SIGNATURES)


def sniff(head: bytes) -> Format | None:
    """The format whose signature the first bytes carry, if we read it."""
    for signature, found in _SIGNATURES:
        if head.startswith(signature):
            # Canon's raw files pass for TIFF, but hold only a thumbnail that a TIFF reader understands.
            return None if found is TIFF and head[8:10] == b"CR" else found
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return WEBP
    if head[4:8] == b"ftyp":
        return _sniff_iso_brands(head)
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADER_SIZES:
        return BMP
    return None


def _sniff_iso_brands(head: bytes) -> Format | None:
    """HEIC and AVIF share a container; `mif1` alone says nothing, so the compatible brands are read too."""
    end = min(int.from_bytes(head[:4], "big"), len(head))
    brands = {head[8:12]} | {head[at : at + 4] for at in range(16, end - 3, 4)}
    if brands & _AVIF_BRANDS:
        return AVIF
    return HEIC if brands & _HEIF_BRANDS else None
