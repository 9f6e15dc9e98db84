"""Short fingerprints of pictures: the bytes', the look's, and a blurred placeholder."""

import hashlib
from typing import IO

import blurhash
import numpy as np
from PIL import Image

from core.errors import TooLarge

_CHUNK_BYTES = 1 << 20
_PLACEHOLDER_PX = 16


def sha256_of(file: IO[bytes], *, max_bytes: int) -> tuple[str, int]:
    """Hex digest and size in bytes, read in pieces; TooLarge as soon as the limit is passed. Leaves it at its start."""
    digest, size_bytes = hashlib.sha256(), 0
    file.seek(0)
    while chunk := file.read(_CHUNK_BYTES):
        size_bytes += len(chunk)
        if size_bytes > max_bytes:
            raise TooLarge(f"The file is larger than the {max_bytes:,} bytes allowed.")
        digest.update(chunk)
    file.seek(0)
    return digest.hexdigest(), size_bytes


def perceptual_hash(image: Image.Image) -> str:
    """64-bit pHash (Zauner 2010) in hex; pictures that look alike differ in few bits."""
    import imagehash  # brings scipy, which no process that stores nothing should wait for

    return str(imagehash.phash(image))


def bits_apart(one: str, other: str) -> int:
    """Hamming distance of two perceptual hashes, 0 to 64."""
    return (int(one, 16) ^ int(other, 16)).bit_count()


def placeholder(image: Image.Image) -> str:
    """BlurHash of 4 x 3 components: some thirty characters that a page can draw before the picture arrives."""
    small = image.convert("RGB").resize((_PLACEHOLDER_PX, _PLACEHOLDER_PX), Image.Resampling.BOX)
    return str(blurhash.encode(np.asarray(small).tolist(), components_x=4, components_y=3))
