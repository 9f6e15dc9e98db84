"""The one door to picture decoders: type from content, size before pixels, damage as one kind of error."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from io import BytesIO
from typing import IO, Any, cast

from PIL import Image, ImageCms, ImageFile

from core.errors import CorruptMedia, TooLarge, UnsupportedMedia
from library.media.formats import HEIC, JPEG, PNG, READABLE, TIFF, Format, head_of, sniff

ORIENTATION_TAG = 0x0112
_DNG_VERSION_TAG = 50706
_START_OF_SCAN = b"\xff\xda"
_MAX_SCANS = 100
_CHUNK_BYTES = 1 << 20


def open_picture(file: IO[bytes], *, max_pixels: int) -> tuple[Format, ImageFile.ImageFile]:
    """Reads the header only. UnsupportedMedia, CorruptMedia, or TooLarge before any pixel is decoded."""
    head = head_of(file)
    if not head:
        raise CorruptMedia("The file is empty.")
    found = sniff(head)
    if found is None:
        raise UnsupportedMedia(f"The file's content is not a picture that Sightline reads ({READABLE}).")
    if found is HEIC:
        _learn_heic()
    with _damage_named(found):
        image = Image.open(file, formats=[found.pillow_name])
    width, height = image.size
    if width < 1 or height < 1:
        raise CorruptMedia(f"The {found.pillow_name} file says it has no pixels.")
    if width * height > max_pixels:
        raise TooLarge(f"{width} x {height} pixels are more than the {max_pixels:,} allowed.")
    if found is JPEG:
        _refuse_scan_bomb(file)
    if found is TIFF and _DNG_VERSION_TAG in getattr(image, "tag_v2", {}):
        raise UnsupportedMedia(f"Raw camera files are not read; export it as {READABLE}.")
    return found, image


def verify_checksums(file: IO[bytes], *, max_pixels: int) -> None:
    """PNG carries checksums that decoding skips; no other format has any to verify."""
    found, image = open_picture(file, max_pixels=max_pixels)
    if found is PNG:
        with _damage_named(found):
            image.verify()


def decode(found: Format, image: Image.Image, *, at_least_px: int | None = None) -> Image.Image:
    """Pixels of an opened picture: orientation applied, colours in sRGB, mode RGB or RGBA.

    With `at_least_px` it may come smaller, as long as its shorter side keeps that many pixels (if it has them):
    JPEG then decodes at a half, quarter or eighth, and the large buffer of the others is dropped at once.
    The orientation is asked for after loading, because Pillow turns TIFF by itself and then says so.
    """
    with _damage_named(found):
        if at_least_px:
            image.draft(None, (at_least_px, at_least_px))
        image.load()
        profile = image.info.get("icc_profile")
        orientation = orientation_of(image)
        image = _eight_bits(image)
        if at_least_px and (factor := min(image.size) // at_least_px) > 1:
            image = image.reduce(factor)
        image = _srgb(image, profile)
        image.info = {}
        return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image


def decode_file(file: IO[bytes], *, max_pixels: int, at_least_px: int | None = None) -> Image.Image:
    found, image = open_picture(file, max_pixels=max_pixels)
    return decode(found, image, at_least_px=at_least_px)


def orientation_of(image: Image.Image) -> int:
    """1 to 8 as EXIF numbers them; a damaged or absent tag counts as upright."""
    try:
        value = image.getexif().get(ORIENTATION_TAG, 1)
    except Exception:  # a broken EXIF block must not cost the picture; Pillow raises nearly anything here
        return 1
    return value if value in range(1, 9) else 1


def on_white(image: Image.Image) -> Image.Image:
    """RGB; transparent pictures are laid on white."""
    if image.mode != "RGBA":
        return image.convert("RGB")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


@cache
def _learn_heic() -> None:
    """Only when one comes: training, on a machine that has no decoder for them, reads every other picture."""
    import pillow_heif

    # The file's own preview pictures are never wanted, and would be decoded at opening.
    pillow_heif.register_heif_opener(thumbnails=False)


def _refuse_scan_bomb(file: IO[bytes]) -> None:
    """A progressive JPEG may ask for thousands of passes over all its pixels: minutes of work in a small file.

    Inside compressed data the marker's first byte is always escaped, so counting markers needs no parsing.
    """
    file.seek(0)
    scans, last = 0, b""
    while chunk := file.read(_CHUNK_BYTES):
        scans += (last + chunk).count(_START_OF_SCAN)
        last = chunk[-1:]
    file.seek(0)
    if scans > _MAX_SCANS:
        raise TooLarge(f"The JPEG file has {scans:,} scans; an ordinary one has a dozen.")


@contextmanager
def _damage_named(found: Format) -> Iterator[None]:
    """Decoders fed damaged bytes raise nearly anything: to the sender all of it means that the file is damaged."""
    try:
        yield
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooLarge(f"The {found.pillow_name} file has too many pixels.") from error
    except MemoryError as error:
        raise TooLarge(f"The {found.pillow_name} file needs more memory than there is.") from error
    except Exception as error:
        raise CorruptMedia(
            f"The {found.pillow_name} file is damaged or cut off: {error}".rstrip(": ")
        ) from error


def _eight_bits(image: Image.Image) -> Image.Image:
    """Modes that resizing and colour management understand: L, RGB, RGBA, LAB or CMYK."""
    if image.mode.startswith("I;16"):
        return image.point(lambda value: value / 256).convert("L")
    if image.mode in {"I", "F"}:
        low, high = cast("tuple[float, float]", image.getextrema())
        scale = 255 / (high - low) if high > low else 0.0
        return image.point(lambda value: value * scale - low * scale).convert("L")
    if image.mode in {"LA", "La", "PA", "RGBa"} or "transparency" in image.info:
        return image.convert("RGBA")
    return image if image.mode in {"L", "RGB", "RGBA", "CMYK", "LAB"} else image.convert("RGB")


def _srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Phones photograph in wider colour spaces: taken for sRGB they look dull, and models were taught on sRGB."""
    mode = "RGBA" if image.mode == "RGBA" else "RGB"
    if profile and image.mode in {"RGB", "RGBA", "CMYK", "LAB"}:
        try:
            source = ImageCms.ImageCmsProfile(BytesIO(profile))
            managed: Any = ImageCms.profileToProfile(image, source, _SRGB, outputMode=mode)
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass  # a profile that fits neither the mode nor the standard is as good as none
        else:
            image = managed
    return image.convert(mode)


_SRGB = ImageCms.createProfile("sRGB")
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
