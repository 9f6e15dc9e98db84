"""Words that two things have in common. Plain numpy: no Django."""

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray


def stems(words: Collection[str], stop_words: Collection[str] = frozenset()) -> frozenset[str]:
    """The words, in lower case already, without those that say nothing and without the s of the plural."""
    return frozenset(_stem(word) for word in words if word not in stop_words)


def in_common(asked: frozenset[str], others: Sequence[frozenset[str]]) -> NDArray[np.float32]:
    """Cosine of two sets of stems, each as a vector of ones: (N,), between 0 and 1; NaN where either has none.

    Rare words do not count more: over product names that was worse (nDCG@10 0.665 without weights, 0.566 with the
    inverse document frequency), since the rare words are brands and the common ones say what a thing is.
    """
    return np.array(
        [
            len(asked & other) / (len(asked) * len(other)) ** 0.5 if asked and other else np.nan
            for other in others
        ],
        dtype=np.float32,
    )


def _stem(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
