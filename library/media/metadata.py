"""What a picture file says of itself: when, with what and where it was taken, and the words embedded in it.

Everything here comes from strangers and is often wrong: a broken block is left out, never an error.
"""

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any

from PIL import ExifTags, Image, ImageFile

from library.media.embedded_text import clean_line, iptc_words, xmp_words
from library.media.moments import is_believable
from library.media.words import Words

_CAMERA_MAX_CHARS = 120
#: Cameras write these into every file where a description belongs.
_FACTORY_DESCRIPTIONS = frozenset(
    {"olympus digital camera", "sony dsc", "konica minolta digital camera", "minolta digital camera", "dcim"}
)
_XP_TITLE, _XP_COMMENT, _XP_KEYWORDS = 0x9C9B, 0x9C9C, 0x9C9E


@dataclass(frozen=True)
class Metadata:
    """`taken_at` is naive where the camera did not say its time zone. Coordinates are degrees, WGS 84."""

    taken_at: datetime | None = None
    camera: str = ""
    latitude: float | None = None
    longitude: float | None = None
    title: str = ""
    description: str = ""
    keywords: tuple[str, ...] = ()


def read_metadata(image: ImageFile.ImageFile) -> Metadata:
    """Of an opened picture; XMP wins over IPTC, and both over EXIF, as the newer way to write words."""
    exif = _exif_of(image)
    words = xmp_words(image.info.get("xmp")).or_else(iptc_words(image)).or_else(_exif_words(exif))
    place = _place(_ifd(exif, ExifTags.IFD.GPSInfo))
    found = Metadata(
        taken_at=_taken_at(exif) or words.taken_at,
        camera=_camera(exif),
        title=words.title,
        description=words.description,
        keywords=words.keywords,
    )
    return replace(found, latitude=place[0], longitude=place[1]) if place else found


def _exif_of(image: Image.Image) -> Image.Exif:
    try:
        exif = image.getexif()
        dict(exif)  # values are parsed when they are asked for: find out now whether they can be
    except Exception:  # Pillow raises nearly anything for a broken block
        return Image.Exif()
    return exif


def _ifd(exif: Image.Exif, tag: ExifTags.IFD) -> dict[int, Any]:
    try:
        return exif.get_ifd(tag)
    except Exception:  # as above
        return {}


def _exif_words(exif: Image.Exif) -> Words:
    description = clean_line(_text(exif.get(ExifTags.Base.ImageDescription)))
    if description.lower() in _FACTORY_DESCRIPTIONS:
        description = ""
    keywords = _text(exif.get(_XP_KEYWORDS), "utf-16-le").split(";")
    return Words(
        title=clean_line(_text(exif.get(_XP_TITLE), "utf-16-le")),
        description=description or clean_line(_text(exif.get(_XP_COMMENT), "utf-16-le")),
        keywords=tuple(word for keyword in keywords if (word := clean_line(keyword))),
    )


def _text(value: Any, encoding: str = "utf-8") -> str:
    if isinstance(value, bytes):
        value = value.decode(encoding, "replace")
    return value if isinstance(value, str) else ""


def _camera(exif: Image.Exif) -> str:
    make = clean_line(_text(exif.get(ExifTags.Base.Make)))
    model = clean_line(_text(exif.get(ExifTags.Base.Model)))
    # "Canon" + "Canon EOS 5D", "NIKON CORPORATION" + "NIKON D90": the model repeats its maker.
    repeated = make and model.lower().startswith(make.split()[0].lower())
    return (model if repeated else f"{make} {model}".strip())[:_CAMERA_MAX_CHARS]


def _taken_at(exif: Image.Exif) -> datetime | None:
    details = _ifd(exif, ExifTags.IFD.Exif)
    candidates = (
        (details.get(ExifTags.Base.DateTimeOriginal), details.get(ExifTags.Base.OffsetTimeOriginal)),
        (details.get(ExifTags.Base.DateTimeDigitized), details.get(ExifTags.Base.OffsetTimeDigitized)),
    )
    for written, offset in candidates:
        if moment := _moment(_text(written), _text(offset)):
            return moment
    return None


def _moment(written: str, offset: str) -> datetime | None:
    try:
        moment = datetime.strptime(clean_line(written)[:19], "%Y:%m:%d %H:%M:%S")
    except ValueError:
        return None
    return moment.replace(tzinfo=_zone(clean_line(offset))) if is_believable(moment) else None


def _zone(offset: str) -> timezone | None:
    try:
        sign = {"+": 1, "-": -1}[offset[0]]
        hours, minutes = offset[1:].split(":")
        return timezone(sign * timedelta(hours=int(hours), minutes=int(minutes)))
    except (LookupError, OverflowError, ValueError):
        return None


def _place(gps: dict[int, Any]) -> tuple[float, float] | None:
    latitude = _degrees(gps.get(ExifTags.GPS.GPSLatitude), gps.get(ExifTags.GPS.GPSLatitudeRef), "S", 90)
    longitude = _degrees(gps.get(ExifTags.GPS.GPSLongitude), gps.get(ExifTags.GPS.GPSLongitudeRef), "W", 180)
    if latitude is None or longitude is None or (latitude == 0 and longitude == 0):
        return None  # 0/0 is what a receiver without a fix writes, not the Gulf of Guinea
    return latitude, longitude


def _degrees(parts: Any, reference: Any, negative: str, limit: float) -> float | None:
    try:
        degrees, minutes, seconds = (float(part) for part in parts)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    value = degrees + minutes / 60 + seconds / 3600
    if not math.isfinite(value) or not 0 <= value <= limit:
        return None
    return round(-value if _text(reference).strip("\0 ").upper() == negative else value, 6)
