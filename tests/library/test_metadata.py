"""What files say of themselves, and what is not believed."""

from datetime import UTC, datetime, timedelta, timezone
from io import BytesIO
from typing import Any

import pytest
from PIL import ExifTags

from library.media.decoding import decode, open_picture
from library.media.metadata import Metadata, read_metadata
from tests.library.pictures import exif_of, located_picture, picture, with_iptc, xmp_packet

BASE, GPS = ExifTags.Base, ExifTags.GPS


def metadata_of(content: bytes) -> Metadata:
    found, image = open_picture(BytesIO(content), max_pixels=10**6)
    decode(found, image)
    return read_metadata(image)


def test_a_photograph_tells_when_where_and_with_what_it_was_taken() -> None:
    found = metadata_of(located_picture())
    assert found.taken_at == datetime(2019, 7, 14, 18, 30, 5, tzinfo=timezone(timedelta(hours=2)))
    assert found.camera == "Canon EOS 5D"
    assert (found.latitude, found.longitude) == (68.25, -4.5)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "AVIF", "HEIF", "TIFF"])
def test_exif_is_read_from_every_format_that_has_it(form: str) -> None:
    exif = exif_of({BASE.Make: "Nikon", BASE.Model: "D90"}, {BASE.DateTimeOriginal: "2020:02:29 12:00:00"})
    found = metadata_of(picture(form, exif=exif))
    assert found.camera == "Nikon D90"
    assert found.taken_at == datetime(2020, 2, 29, 12)


@pytest.mark.parametrize(
    "written",
    [
        "0000:00:00 00:00:00",
        "2020:13:01 00:00:00",
        "yesterday",
        "",
        "1500:01:01 00:00:00",
        "9000:01:01 00:00:00",
    ],
)
def test_an_impossible_date_is_left_out(written: str) -> None:
    assert metadata_of(picture(exif=exif_of({}, {BASE.DateTimeOriginal: written}))).taken_at is None


@pytest.mark.parametrize(
    "written",
    ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "1500-01-01", "9000-01-01T00:00:00Z", "soon"],
)
def test_an_impossible_date_in_xmp_is_left_out_too(written: str) -> None:
    packet = xmp_packet(f"<photoshop:DateCreated>{written}</photoshop:DateCreated>")
    assert metadata_of(picture(xmp=packet)).taken_at is None


def test_an_impossible_date_in_xmp_hides_no_possible_one() -> None:
    packet = xmp_packet(
        "<exif:DateTimeOriginal xmlns:exif='http://ns.adobe.com/exif/1.0/'>0001-01-01</exif:DateTimeOriginal>"
        "<photoshop:DateCreated>2015-05-05T10:00:00Z</photoshop:DateCreated>"
    )
    assert metadata_of(picture(xmp=packet)).taken_at == datetime(2015, 5, 5, 10, tzinfo=UTC)


@pytest.mark.parametrize("offset", ["+99999999999:00", "-99999999999:00", "+25:00", "+1", "02:00", "+a:b"])
def test_an_impossible_time_zone_leaves_the_hour_on_the_camera(offset: str) -> None:
    details: dict[int, Any] = {
        BASE.DateTimeOriginal: "2020:02:29 12:00:00",
        BASE.OffsetTimeOriginal: offset,
    }
    assert metadata_of(picture(exif=exif_of({}, details))).taken_at == datetime(2020, 2, 29, 12)


@pytest.mark.parametrize(
    "latitude",
    [(91.0, 0.0, 0.0), (1.0, 2.0), (0.0, 0.0, 0.0)],
)
def test_an_impossible_place_is_left_out(latitude: Any) -> None:
    gps: dict[int, Any] = {
        GPS.GPSLatitudeRef: "N",
        GPS.GPSLatitude: latitude,
        GPS.GPSLongitudeRef: "E",
        GPS.GPSLongitude: (0.0, 0.0, 0.0),
    }
    assert metadata_of(picture(exif=exif_of({}, None, gps))).latitude is None


def test_xmp_words_are_read_and_win_over_exif() -> None:
    packet = xmp_packet(
        "<dc:title><rdf:Alt><rdf:li xml:lang='x-default'>A  harbour</rdf:li></rdf:Alt></dc:title>"
        "<dc:description><rdf:Alt><rdf:li>Boats at\nnoon</rdf:li></rdf:Alt></dc:description>"
        "<dc:subject><rdf:Bag><rdf:li>boat</rdf:li><rdf:li>Boat</rdf:li><rdf:li>sea</rdf:li></rdf:Bag></dc:subject>"
        "<photoshop:DateCreated>2015-05-05T10:00:00Z</photoshop:DateCreated>"
    )
    content = picture(xmp=packet, exif=exif_of({BASE.ImageDescription: "from exif"}))
    found = metadata_of(content)
    assert found.title == "A harbour"
    assert found.description == "Boats at noon"
    assert found.keywords == ("boat", "sea")
    assert found.taken_at == datetime(2015, 5, 5, 10, tzinfo=UTC)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_xmp_is_read_from_every_format_that_has_it(form: str) -> None:
    packet = xmp_packet("<dc:description><rdf:Alt><rdf:li>A quay</rdf:li></rdf:Alt></dc:description>")
    kind = {"TIFF": {"tiffinfo": {700: packet}}, "PNG": {"pnginfo": _png_text(packet)}}.get(
        form, {"xmp": packet}
    )
    assert metadata_of(picture(form, **kind)).description == "A quay"


def _png_text(packet: bytes) -> Any:
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", packet.decode())
    return info


def test_iptc_words_are_read_in_utf8_and_in_the_old_way() -> None:
    modern = with_iptc(
        picture(),
        [
            (1, 90, b"\x1b%G"),
            (2, 5, "Café".encode()),
            (2, 25, b"coffee"),
            (2, 25, "tasse à café".encode()),
            (2, 120, b"A cup"),
        ],
    )
    found = metadata_of(modern)
    assert (found.title, found.description) == ("Café", "A cup")
    assert found.keywords == ("coffee", "tasse à café")
    assert metadata_of(with_iptc(picture(), [(2, 120, "Café".encode("latin-1"))])).description == "Café"


def test_a_description_that_the_factory_wrote_is_no_description() -> None:
    exif = exif_of({BASE.ImageDescription: "OLYMPUS DIGITAL CAMERA         "})
    assert metadata_of(picture(exif=exif)).description == ""


def test_entities_in_xmp_are_never_expanded() -> None:
    bomb = (
        b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
        b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:dc="http://purl.org/dc/elements/1.1/">'
        b"<dc:title><rdf:li>&b;</rdf:li></dc:title></rdf:RDF>"
    )
    assert metadata_of(picture(xmp=bomb)).title == ""
    assert metadata_of(picture(xmp=bomb.decode().encode("utf-16"))).title == ""


@pytest.mark.parametrize("packet", [b"<x", b"\xff\xfe\x00", b"", b"<a>" * 2000])
def test_broken_xmp_costs_nothing_but_itself(packet: bytes) -> None:
    assert metadata_of(picture(xmp=packet)).title == ""


def test_control_characters_do_not_come_in_with_a_file() -> None:
    found = metadata_of(picture(exif=exif_of({BASE.ImageDescription: "one\x07two\tthree\r\nfour"})))
    assert found.description == "one two three four"
