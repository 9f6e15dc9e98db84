"""Everything storing needs to know of one file, from a single decoding."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO

from PIL import ImageFile

from library.media.decoding import decode, on_white, open_picture, orientation_of, verify_checksums
from library.media.formats import Format
from library.media.hashes import perceptual_hash, placeholder
from library.media.metadata import Metadata, read_metadata
from library.media.thumbnails import fitted, webp, widths_for

log = logging.getLogger(__name__)

#: Fingerprints are made of a small version, so that they cost the same for every picture.
_FINGERPRINT_PX = 256


@dataclass(frozen=True)
class Picture:
    """A file that was decoded from its first byte to its last. Sizes are those after orientation.

    thumbnails: WebP files by width in pixels.
    """

    format: Format
    width_px: int
    height_px: int
    perceptual_hash: str
    blurhash: str
    metadata: Metadata
    thumbnails: Mapping[int, bytes]


def probe(file: IO[bytes], *, max_pixels: int, thumbnail_widths_px: Sequence[int]) -> Picture:
    """UnsupportedMedia, CorruptMedia or TooLarge; else what the file is and shows.

    Formats without checksums of their own (all but PNG) can hide a damaged byte in the middle: what is found
    is every file that ends too early or that its decoder refuses.
    """
    verify_checksums(file, max_pixels=max_pixels)
    found, image = open_picture(file, max_pixels=max_pixels)
    size = image.size
    pixels = decode(found, image, at_least_px=2 * max(thumbnail_widths_px))
    width_px, height_px = size if orientation_of(image) < 5 else size[::-1]
    small = on_white(fitted(pixels, _FINGERPRINT_PX, _FINGERPRINT_PX))
    return Picture(
        format=found,
        width_px=width_px,
        height_px=height_px,
        perceptual_hash=perceptual_hash(small),
        blurhash=placeholder(small),
        metadata=_metadata_of(image),
        thumbnails={width: webp(pixels, width) for width in widths_for(width_px, thumbnail_widths_px)},
    )


def _metadata_of(image: ImageFile.ImageFile) -> Metadata:
    """Nothing where it can't be read, whatever the reason: it is a courtesy, and the pixels are sound.

    Strangers fill these blocks with what no parser foresaw, and one such file must cost neither its own upload nor
    the rest of an import. Ours to mend all the same, so it is logged.
    """
    try:
        return read_metadata(image)
    except Exception:
        log.exception("The metadata of a %s file can't be read; it is taken without", image.format)
        return Metadata()
