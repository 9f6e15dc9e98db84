"""Tags and colours of a photo, and whether a person reviewed it, as bits, so that an engine narrows by any of these in
the same few columns.

A label sets one bit of each column, chosen by its hash: a Bloom filter (Bloom 1970). A photo with a label is always let
through, one without it seldom: where photos have twelve labels, one in a thousand. Who asks looks at what was found.
"""

import hashlib
import unicodedata
from collections.abc import Iterable

from search.index.where import LABEL_BITS, LABELS, Comparison

#: A person decided of a caption, or wrote one.
REVIEWED = "is:reviewed"


def of_tag(name: str) -> str:
    """Without case and marks: what a database takes for the same is the same, also in Turkish (i, İ), Greek (ά, Α)."""
    letters = unicodedata.normalize("NFD", name.upper())
    return f"tag:{''.join(letter for letter in letters if not unicodedata.combining(letter))}"


def of_colour(name: str) -> str:
    return f"colour:{name}"


def bits_of(labels: Iterable[str]) -> tuple[int, ...]:
    """One number for each column of LABELS."""
    bits = [0] * len(LABELS)
    for label in labels:
        for at, bit in enumerate(_bits(label)):
            bits[at] |= bit
    return tuple(bits)


def having(label: str) -> tuple[Comparison, ...]:
    """All of which hold of a photo that has the label."""
    return tuple(Comparison(column, "has", bit) for column, bit in zip(LABELS, _bits(label), strict=True))


def _bits(label: str) -> list[int]:
    hashed = hashlib.blake2b(label.encode(), digest_size=4 * len(LABELS)).digest()
    return [1 << int.from_bytes(hashed[4 * at :][:4]) % LABEL_BITS for at in range(len(LABELS))]
