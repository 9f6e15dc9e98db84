"""Real picture files, made when a test asks for them."""

import struct
import zipfile
import zlib
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import pillow_heif
from PIL import ExifTags, Image, ImageDraw

pillow_heif.register_heif_opener(thumbnails=False)

#: Pillow's name of each format we read, and the media type that must come out.
MIME_TYPES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "AVIF": "image/avif",
    "HEIF": "image/heic",
    "TIFF": "image/tiff",
    "BMP": "image/bmp",
}
FORMATS = tuple(MIME_TYPES)
ORIENTATION = 0x0112


def drawing(seed: int = 0, size: tuple[int, int] = (160, 120)) -> Image.Image:
    """A picture that differs with its seed, to the eye as well as in its bytes."""
    width, height = size
    image = Image.new("RGB", size, ((seed * 67) % 256, (seed * 29 + 80) % 256, (seed * 151 + 160) % 256))
    draw = ImageDraw.Draw(image)
    for step in range(6):
        left = (seed * 37 + step * 53) % width
        top = (seed * 61 + step * 31) % height
        colour = ((step * 40 + seed) % 256, (seed * 13 + step * 90) % 256, (255 - step * 30) % 256)
        draw.rectangle((left, top, left + width // 4, top + height // 5), fill=colour)
    return image


def picture(form: str = "JPEG", seed: int = 0, size: tuple[int, int] = (160, 120), **save: Any) -> bytes:
    """The bytes of one picture file."""
    return encoded(drawing(seed, size), form, **save)


def encoded(image: Image.Image, form: str = "JPEG", **save: Any) -> bytes:
    out = BytesIO()
    if "exif" in save:
        save["exif"] = save[
            "exif"
        ].tobytes()  # given the object, Pillow's TIFF writer loses the nested blocks
    image.save(out, form, **save)
    return out.getvalue()


def halves(form: str, orientation: int) -> bytes:
    """80 x 40 as stored, left half blue and right half red, with an EXIF orientation."""
    image = Image.new("RGB", (80, 40), "red")
    image.paste("blue", (0, 0, 40, 40))
    return encoded(
        image, form, exif=exif_of({ORIENTATION: orientation}), **({} if form == "TIFF" else {"quality": 95})
    )


def exif_of(
    tags: Mapping[int, Any] = {},
    details: Mapping[int, Any] | None = None,
    gps: Mapping[int, Any] | None = None,
) -> Image.Exif:
    exif = Image.Exif()
    for tag, value in tags.items():
        exif[tag] = value
    if details:
        exif.get_ifd(ExifTags.IFD.Exif).update(details)
    if gps:
        exif.get_ifd(ExifTags.IFD.GPSInfo).update(gps)
    return exif


def located_picture(latitude: float = 68.25) -> bytes:
    """A photograph that says where it was taken, and with which camera; no time of day reads like its latitude."""
    base, gps = ExifTags.Base, ExifTags.GPS
    exif = exif_of(
        {base.Make: "Canon", base.Model: "Canon EOS 5D"},
        {base.DateTimeOriginal: "2019:07:14 18:30:05", base.OffsetTimeOriginal: "+02:00"},
        {
            gps.GPSLatitudeRef: "N" if latitude >= 0 else "S",
            gps.GPSLatitude: _degrees(abs(latitude)),
            gps.GPSLongitudeRef: "W",
            gps.GPSLongitude: _degrees(4.5),
        },
    )
    return picture(exif=exif)


def _degrees(value: float) -> tuple[float, float, float]:
    return float(int(value)), float(int(value * 60 % 60)), round(value * 3600 % 60, 3)


def xmp_packet(fields: str) -> bytes:
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/" '
        f'xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/">{fields}</rdf:Description></rdf:RDF></x:xmpmeta>'
        '<?xpacket end="w"?>'
    ).encode()


def with_iptc(jpeg: bytes, records: list[tuple[int, int, bytes]]) -> bytes:
    """The JPEG with an IPTC block, as photo agencies write it: in a Photoshop resource of segment APP13."""
    iptc = b"".join(
        b"\x1c" + bytes((group, number)) + struct.pack(">H", len(text)) + text
        for group, number, text in records
    )
    padded = iptc + b"\0" * (len(iptc) % 2)
    resource = b"8BIM" + struct.pack(">H", 0x0404) + b"\0\0" + struct.pack(">I", len(iptc)) + padded
    payload = b"Photoshop 3.0\0" + resource
    return jpeg[:2] + b"\xff\xed" + struct.pack(">H", len(payload) + 2) + payload + jpeg[2:]


def png_of_size(width_px: int, height_px: int) -> bytes:
    """A PNG whose header promises that many pixels, with next to nothing behind it."""
    header = struct.pack(">IIBBBBB", width_px, height_px, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", zlib.compress(b"\0" * 64))
        + _chunk(b"IEND", b"")
    )


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def zipped(files: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()
