"""The same picture or the same article twice in a list is once too often. Plain numpy: no Django."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

#: At most so many of 64 bits differ between versions of one picture, as in `library.selectors`.
_MAX_BITS = 6


#: Plain pictures have the same fingerprint whatever their colour: only those that also look alike are copies.
_LEAST_COSINE = 0.9
#: Articles of one title whose words differ in no more than a correction.
_SAME_TEXT = 0.98


@dataclass(frozen=True)
class Trait:
    """What a copy shares. sha256 of its picture; phash: 64 bits in hex; title: its words; each may be empty.

    look, words: vectors of its picture and of what it says, of unit length.
    """

    sha256: str = ""
    phash: str = ""
    title: str = ""
    look: NDArray[np.float32] | None = None
    words: NDArray[np.float32] | None = None

    def is_copy_of(self, other: "Trait") -> bool:
        """Whether it is the same picture or the same article, or a version of it."""
        if self.sha256 == other.sha256 and self.sha256:
            return True
        # Each meets each, so what tells most pairs apart is asked first.
        if self.title == other.title and self._says_the_same_as(other):
            return True
        if self._bits is None or other._bits is None:
            return False
        return (self._bits ^ other._bits).bit_count() <= _MAX_BITS and self._looks_the_same_as(other)

    @cached_property
    def _bits(self) -> int | None:
        return int(self.phash, 16) if self.phash else None

    def _says_the_same_as(self, other: "Trait") -> bool:
        if not self.title or self.words is None or other.words is None:
            return False
        return float(self.words @ other.words) >= _SAME_TEXT

    def _looks_the_same_as(self, other: "Trait") -> bool:
        """Beside a like fingerprint: recompressed, scaled or slightly cropped."""
        return self.look is None or other.look is None or float(self.look @ other.look) >= _LEAST_COSINE


def without_near_copies(
    ranked: Sequence[int], traits: Sequence[Trait], shown: Sequence[Trait], most: int
) -> list[int]:
    """At most so many positions in `ranked` order, without copies of something shown or of something higher up."""
    kept_traits = list(shown)
    kept: list[int] = []
    for at in ranked:
        trait = traits[at]
        if any(trait.is_copy_of(other) for other in kept_traits):
            continue
        kept.append(at)
        kept_traits.append(trait)
        if len(kept) == most:
            break
    return kept
