"""The same picture or the same article twice in a list is once too often. Plain numpy: no Django."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: At most so many of 64 bits differ between versions of one picture, as in `library.selectors`.
_MAX_BITS = 6


#: Plain pictures have the same fingerprint whatever their colour: only those that also look alike are copies.
_LEAST_COSINE = 0.9


@dataclass(frozen=True)
class Trait:
    """What a copy shares. sha256 of its picture; phash: 64 bits in hex; text: what it says; each may be empty.

    look: its picture's vector, of unit length.
    """

    sha256: str = ""
    phash: str = ""
    text: str = ""
    look: NDArray[np.float32] | None = None

    def is_version_of(self, other: "Trait") -> bool:
        """Whether it is the same picture, recompressed, scaled or slightly cropped."""
        if not self.phash or not other.phash:
            return False
        if (int(self.phash, 16) ^ int(other.phash, 16)).bit_count() > _MAX_BITS:
            return False
        return self.look is None or other.look is None or float(self.look @ other.look) >= _LEAST_COSINE


def without_near_copies(
    ranked: Sequence[int], traits: Sequence[Trait], shown: Sequence[Trait], most: int
) -> list[int]:
    """At most so many positions in `ranked` order, without copies of something shown or of something higher up."""
    kept_traits = list(shown)
    seen_bytes = {one.sha256 for one in shown if one.sha256}
    seen_texts = {one.text for one in shown if one.text}
    kept: list[int] = []
    for at in ranked:
        trait = traits[at]
        if trait.sha256 in seen_bytes or trait.text in seen_texts:
            continue
        if any(trait.is_version_of(other) for other in kept_traits):
            continue
        kept.append(at)
        kept_traits.append(trait)
        seen_bytes |= {trait.sha256} - {""}
        seen_texts |= {trait.text} - {""}
        if len(kept) == most:
            break
    return kept
