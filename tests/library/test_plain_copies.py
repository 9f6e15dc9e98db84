"""Copies for programs that read plain pictures only: what may be in them, and what never is."""

import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from core.errors import CorruptMedia
from library import plain_copies
from library.media.plain import is_plain
from library.plain_copies import write_plain_copy
from tests.library.conftest import stored
from tests.library.pictures import drawing, encoded, exif_of, halves, picture, with_iptc, xmp_packet

SECRET = b"12 rue de Siam, Brest"


def plain(content: bytes) -> bool:
    return is_plain(BytesIO(content), max_pixels=10**6)


def segment(number: int, content: bytes) -> bytes:
    """A JPEG with one more segment of this number."""
    jpeg = picture()
    return jpeg[:2] + b"\xff" + bytes([number]) + struct.pack(">H", len(content) + 2) + content + jpeg[2:]


def chunks(*named: bytes, last: bool = False) -> bytes:
    """A PNG with these chunks, before its pixels or behind them."""
    png = picture("PNG")
    at = len(png) - 12 if last else 33
    contents = {b"sRGB": b"\0", b"gAMA": struct.pack(">I", 45455), b"cHRM": struct.pack(">8I", *range(1, 9))}
    made = b""
    for name in named:
        content = contents.get(name, SECRET)
        made += (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )
    return png[:at] + made + png[at:]


def words() -> PngInfo:
    info = PngInfo()
    info.add_text("Description", SECRET.decode())
    return info


@pytest.mark.parametrize(
    "content",
    [
        picture(),
        picture(dpi=(300, 300), progressive=True),
        encoded(drawing().convert("L")),
        picture("PNG"),
        picture("PNG", dpi=(300, 300)),
        chunks(b"sRGB", b"gAMA", b"cHRM"),
    ],
)
def test_pixels_and_how_to_read_them_are_plain(content: bytes) -> None:
    assert plain(content)


TELLING = {
    "exif": picture(exif=exif_of({0x010E: SECRET.decode()})),
    "xmp": picture(xmp=xmp_packet(SECRET.decode())),
    "iptc": with_iptc(picture(), [(2, 90, SECRET)]),
    "comment": picture(comment=SECRET),
    "longer xmp": segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + SECRET),
    "a block nobody knows": segment(0xEB, SECRET),
    "a preview in the header": segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\3\2" + SECRET),
    "words in png": picture("PNG", pnginfo=words()),
    "words behind the pixels": chunks(b"tEXt", last=True),
    "exif behind the pixels": chunks(b"eXIf", last=True),
    "the hour of a change": chunks(b"tIME"),
    "what follows the end": picture("PNG") + SECRET,
    "what follows the end of a jpeg": picture() + SECRET,
    "a picture behind the picture": picture() + picture(exif=exif_of({0x010E: SECRET.decode()})),
    "a comment behind the pixels": picture()[:-2] + b"\xff\xfe\0\x17" + SECRET + b"\xff\xd9",
    "no end at all": picture()[:-2],
    "words between two segments": picture()[:20] + SECRET + picture()[20:],
}


@pytest.mark.parametrize("content", TELLING.values(), ids=TELLING.keys())
def test_whatever_else_a_file_holds_is_not_plain(content: bytes) -> None:
    assert not plain(content)


@pytest.mark.parametrize(
    "content",
    [
        halves("JPEG", 6),
        encoded(drawing().convert("CMYK")),
        encoded(drawing().convert("RGBA"), "PNG"),
        picture("PNG", transparency=(0, 0, 0)),
        chunks(b"gAMA"),
        picture("PNG", icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()),
        picture("PNG")[:-12],
        picture("WEBP"),
    ],
)
def test_what_others_would_see_otherwise_is_not_plain(content: bytes) -> None:
    assert not plain(content)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", ["iptc", "comment", "words in png", "what follows the end"])
def test_a_copy_holds_nothing_of_what_the_original_told(kind: str, alice: User, tmp_path: Path) -> None:
    asset = stored(alice, TELLING[kind])
    copy = tmp_path / write_plain_copy(asset, tmp_path)
    assert copy.suffix == ".jpg"
    assert SECRET not in copy.read_bytes()
    with Image.open(copy) as image:
        assert image.size == (160, 120)


@pytest.mark.django_db(transaction=True)
def test_a_copy_that_told_too_much_is_written_again_and_a_good_one_stays(
    alice: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asset = stored(alice, TELLING["iptc"])
    copy = tmp_path / f"{asset.sha256}.jpg"
    copy.hardlink_to(default_storage.path(asset.original_key))
    assert write_plain_copy(asset, tmp_path) == copy.name
    assert SECRET not in copy.read_bytes()

    def never(*args: Any) -> bytes:
        raise AssertionError("written again")

    monkeypatch.setattr("library.plain_copies.clean_jpeg", never)
    assert write_plain_copy(asset, tmp_path) == copy.name
    with default_storage.open(asset.original_key) as original:
        assert SECRET in original.read(), "the original is untouched"


@pytest.mark.django_db(transaction=True)
def test_an_original_that_goes_while_it_is_copied_is_no_picture(
    alice: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asset = stored(alice)

    def plain_and_gone(*told: Any) -> bool:
        default_storage.delete(asset.original_key)
        return True

    monkeypatch.setattr(plain_copies, "_is_plain", plain_and_gone)
    with pytest.raises(CorruptMedia, match="missing"):
        write_plain_copy(asset, tmp_path)
    assert list(tmp_path.iterdir()) == []
