"""A judge of sentences: a model that sees picture and sentence together and says how well they match.

The captioner keeps several sentences of each picture; which of them fits, a model of pictures and sentences alike, as a
dual encoder is, knows better than their probability (Fang et al. 2015 ranked captions by such a model, too).
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from captioning.captioners.candidates import Candidate
from captioning.vision.frames import FrameBatch


class Judge(Protocol):
    """Named by the setting CAPTIONER_JUDGE; `core.backends` builds it without arguments."""

    def match(self, frames: FrameBatch, sentences: Sequence[Sequence[str]]) -> Sequence[NDArray[np.float32]]:
        """For each of N frames the cosine of each of its sentences, as many as it has."""


def judged(
    kept: Sequence[Sequence[Candidate]], matches: Sequence[NDArray[np.float32]], weight: float
) -> list[list[Candidate]]:
    """The sentences of each picture, now ranked by what they had plus `weight` times their match; the best first."""
    again = [
        [
            each._replace(match=float(match), rank=each.rank + weight * float(match))
            for each, match in zip(candidates, of_these, strict=True)
        ]
        for candidates, of_these in zip(kept, matches, strict=True)
    ]
    return [sorted(candidates, key=lambda each: -each.rank) for candidates in again]
