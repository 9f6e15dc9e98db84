"""What a file is, whether it is whole, and how large it may be."""

from contextlib import suppress
from io import BytesIO

import pytest
from PIL import Image

from core.errors import CorruptMedia, SightlineError, TooLarge, UnsupportedMedia
from library.media.decoding import decode_file
from library.media.metadata import Metadata
from library.media.probe import Picture, probe
from tests.library.pictures import FORMATS, MIME_TYPES, drawing, encoded, halves, picture, png_of_size

PIXELS = 1_000_000


def probed(content: bytes, max_pixels: int = PIXELS) -> Picture:
    return probe(BytesIO(content), max_pixels=max_pixels, thumbnail_widths_px=(320, 960))


def pixel(image: Image.Image, place: tuple[int, int]) -> tuple[int, ...]:
    value = image.getpixel(place)
    assert isinstance(value, tuple)
    return value


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_is_known_by_its_content(form: str) -> None:
    found = probed(picture(form, size=(160, 120)))
    assert found.format.mime_type == MIME_TYPES[form]
    assert (found.width_px, found.height_px) == (160, 120)


@pytest.mark.parametrize("form", FORMATS)
def test_the_colours_of_every_format_survive_decoding(form: str) -> None:
    content = encoded(Image.new("RGB", (64, 64), (200, 60, 30)), form)
    image = decode_file(BytesIO(content), max_pixels=PIXELS)
    assert image.mode == "RGB"
    assert all(
        abs(one - other) <= 6 for one, other in zip(pixel(image, (32, 32)), (200, 60, 30), strict=True)
    )


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("kept", [0.15, 0.5, 0.9])
def test_a_file_that_was_cut_off_is_corrupt(form: str, kept: float) -> None:
    content = picture(form, size=(320, 240))
    with pytest.raises(CorruptMedia, match="damaged or cut off"):
        probed(content[: int(len(content) * kept)])


@pytest.mark.parametrize("missing", [1, 2, 12])
def test_a_jpeg_that_lacks_its_last_bytes_is_corrupt(missing: int) -> None:
    with pytest.raises(CorruptMedia):
        probed(picture()[:-missing])


def test_one_flipped_bit_in_a_png_is_found_by_its_checksum() -> None:
    content = bytearray(picture("PNG"))
    content[len(content) // 2] ^= 1
    with pytest.raises(CorruptMedia):
        probed(bytes(content))


def test_an_empty_file_says_that_it_is_empty() -> None:
    with pytest.raises(CorruptMedia, match="empty"):
        probed(b"")


@pytest.mark.parametrize(
    "content",
    [
        b"Dear diary, today I saw a cat.",
        b"BMW is a maker of cars, and this is prose that begins like a bitmap file.",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.7\n%\xe2\xe3\xcf\xd3",
        b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom",
        b"II*\x00\x10\x00\x00\x00CR\x02\x00 a raw file of a Canon",
        b"\xff",
    ],
)
def test_what_is_no_picture_is_unsupported_whatever_it_says(content: bytes) -> None:
    with pytest.raises(UnsupportedMedia, match="JPEG, PNG"):
        probed(content)


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded() -> None:
    # Behind this header there is nothing to decode: only the size can be what is refused.
    with pytest.raises(TooLarge, match="pixels"):
        probed(png_of_size(60_000, 60_000), max_pixels=100_000_000)


def test_a_jpeg_of_a_thousand_passes_is_refused_before_it_is_decoded() -> None:
    content = picture("JPEG", progressive=True)
    scan = content[content.rindex(b"\xff\xda") : -2]
    with pytest.raises(TooLarge, match="scans"):
        probed(content[:-2] + scan * 1000 + content[-2:])
    assert probed(content).width_px == 160


def test_pixels_are_allowed_up_to_the_limit_and_no_further() -> None:
    content = picture(size=(100, 50))
    assert probed(content, max_pixels=5000).width_px == 100
    with pytest.raises(TooLarge):
        probed(content, max_pixels=4999)


def test_a_gif_whose_first_frame_is_larger_than_its_screen_is_measured_by_the_frame() -> None:
    content = bytearray(picture("GIF", size=(300, 200)))
    content[6:10] = (1).to_bytes(2, "little") * 2  # the screen: 1 x 1
    with pytest.raises(TooLarge):
        probed(bytes(content), max_pixels=1000)


def test_of_an_animation_the_first_frame_counts() -> None:
    first, second = Image.new("RGB", (40, 40), "blue"), Image.new("RGB", (40, 40), "red")
    out = BytesIO()
    first.save(out, "GIF", save_all=True, append_images=[second])
    assert pixel(decode_file(out, max_pixels=PIXELS), (20, 20)) == (0, 0, 255)


#: Where the stored left half (blue) ends up, for each orientation that EXIF knows.
BLUE_SIDE = {1: "left", 2: "right", 3: "right", 4: "left", 5: "top", 6: "top", 7: "bottom", 8: "bottom"}


@pytest.mark.parametrize("orientation", BLUE_SIDE)
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF"])
def test_the_exif_orientation_is_applied(form: str, orientation: int) -> None:
    content = halves(form, orientation)
    image = decode_file(BytesIO(content), max_pixels=PIXELS)
    upright = orientation < 5
    size = (80, 40) if upright else (40, 80)
    width, height = size
    assert image.size == size
    found = probed(content)
    assert (found.width_px, found.height_px) == size
    point = {
        "left": (5, height // 2),
        "right": (width - 5, height // 2),
        "top": (width // 2, 5),
        "bottom": (width // 2, height - 5),
    }[BLUE_SIDE[orientation]]
    red, _, blue = pixel(image, point)
    assert blue > 200 > 60 > red


def test_transparency_is_kept_for_thumbnails_and_laid_on_white_for_fingerprints() -> None:
    image = Image.new("RGBA", (50, 50), (255, 0, 0, 0))
    found = probed(encoded(image, "PNG"))
    thumbnail = Image.open(BytesIO(found.thumbnails[320]))
    assert pixel(thumbnail.convert("RGBA"), (25, 25))[3] == 0
    assert (
        found.perceptual_hash == probed(encoded(Image.new("RGB", (50, 50), "white"), "PNG")).perceptual_hash
    )


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr", "LAB", "I;16", "I", "F"])
def test_every_colour_mode_of_a_tiff_becomes_rgb(mode: str) -> None:
    grey = drawing().convert("L")
    image = grey.convert("I").convert(mode) if mode in {"I;16", "I", "F"} else _as(mode)
    decoded = decode_file(BytesIO(encoded(image, "TIFF")), max_pixels=PIXELS, at_least_px=40)
    assert decoded.mode in {"RGB", "RGBA"}


def _as(mode: str) -> Image.Image:
    from PIL import ImageCms

    if mode != "LAB":
        return drawing().convert(mode)
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    converted = ImageCms.profileToProfile(drawing(), srgb, lab, outputMode="LAB")
    assert converted
    return converted


def test_sixteen_bits_keep_their_brightness() -> None:
    import numpy as np

    image = Image.fromarray(np.full((20, 20), 30_000, dtype=np.uint16))
    red, _, _ = pixel(decode_file(BytesIO(encoded(image, "PNG")), max_pixels=PIXELS), (10, 10))
    assert abs(red - 30_000 / 256) <= 1


def test_a_large_jpeg_decodes_smaller_where_fewer_pixels_do() -> None:
    content = picture(size=(1600, 1200))
    image = decode_file(BytesIO(content), max_pixels=10_000_000, at_least_px=260)
    assert 260 <= min(image.size) < 600


def test_thumbnails_are_never_larger_than_the_picture() -> None:
    small, large = probed(picture(size=(200, 100))), probed(picture(size=(1000, 500)))
    assert {width: Image.open(BytesIO(data)).size for width, data in small.thumbnails.items()} == {
        320: (200, 100)
    }
    assert {width: Image.open(BytesIO(data)).size for width, data in large.thumbnails.items()} == {
        320: (320, 160),
        960: (960, 480),
    }


def test_a_very_tall_picture_has_a_thumbnail_all_the_same() -> None:
    found = probed(picture("PNG", size=(30, 9000)))
    assert all(Image.open(BytesIO(data)).format == "WEBP" for data in found.thumbnails.values())


def test_damage_anywhere_ends_in_an_answer_and_never_in_a_crash() -> None:
    import random

    chance = random.Random(7)
    for form in FORMATS:
        content = picture(form, size=(48, 40), exif=halves_exif())
        for _ in range(40):
            damaged = bytearray(content)
            for _ in range(chance.randrange(1, 12)):
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            with suppress(SightlineError):
                probed(bytes(damaged))


def test_metadata_that_can_not_be_read_costs_itself_and_not_the_picture(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def unforeseen(*args: object) -> Metadata:
        raise OverflowError("date value out of range")

    monkeypatch.setattr("library.media.probe.read_metadata", unforeseen)
    found = probed(picture())
    assert (found.metadata, found.width_px) == (Metadata(), 160)
    assert "metadata of a JPEG file can't be read" in caplog.text
    assert "date value out of range" in caplog.text


def halves_exif() -> Image.Exif:
    from tests.library.pictures import exif_of

    return exif_of({0x0112: 6, 271: "Maker"}, {36867: "2020:01:01 00:00:00"}, {1: "N", 2: (1.0, 2.0, 3.0)})
