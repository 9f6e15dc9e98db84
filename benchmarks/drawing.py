"""What synthetic photos are drawn from: sentences and tags of common and rare words, and vectors around their nouns."""

import numpy as np
from numpy.typing import NDArray

_WORDS = """
    street beach kitchen lawn snow field river mountain room park bridge market stage garden road
    running sitting standing jumping eating playing looking sleeping riding holding walking swimming
    black white brown red blue green small big young old wet striped wooden bright
"""
_SYLLABLES = [f"{first}{second}" for first in "bdfgklmnprstvz" for second in "aeiou"]
_INVENTED = 30_000
_PLACES, _DEEDS, _LOOKS = (line.split() for line in _WORDS.strip().splitlines())
#: Photos of the same things differ in so many directions, as those of real ones do: few beside the dimension.
DIRECTIONS = 16


def sentence(first: str, second: str, random: np.random.Generator) -> str:
    """A caption of two things."""
    look, deed, place = (words[int(random.integers(len(words)))] for words in (_LOOKS, _DEEDS, _PLACES))
    return f"a {look} {first} is {deed} near a {second} in the {place}"


def near(
    centres: NDArray[np.float32],
    directions: NDArray[np.float32],
    seen: NDArray[np.int64],
    random: np.random.Generator,
) -> NDArray[np.float32]:
    """Unit vectors around the nouns of each photo."""
    moved = random.standard_normal((len(seen), len(directions)), dtype=np.float32) @ directions
    vectors = centres[seen].sum(axis=1) + moved / np.sqrt(np.float32(len(directions)))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def invented(random: np.random.Generator) -> list[str]:
    """Words that there are not, for tags."""
    return sorted({"".join(random.choice(_SYLLABLES, size=3)) for _ in range(_INVENTED)})


def zipf(count: int) -> NDArray[np.float64]:
    """(count,): how often each comes, the first the most."""
    chances = 1.0 / np.arange(1, count + 1)
    return np.asarray(chances / chances.sum())
