"""How like each other two things are, out of how like they are in each respect. Plain numpy: no Django.

A weighted sum of z-scores. What is usual and how far values spread is fixed in `blend.json` and not taken from the
list at hand, so that a score does not depend on what else was found, and pages of a list fit together. What is not
known of a thing (the look of an article without a picture) neither helps nor hurts it: it counts as what is usual.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Cosines: in the space `image`, of what the backbone saw (`captioning.vision.texture`), in the space `caption` once of
#: captions and once of texts that people wrote; and what `scoring.words.in_common` says of the words of either.
LOOK, TEXTURE, CAPTION, TEXT = "look", "texture", "caption", "text"
CAPTION_WORDS, TEXT_WORDS = "caption_words", "text_words"
SIGNALS = (LOOK, TEXTURE, CAPTION, CAPTION_WORDS, TEXT, TEXT_WORDS)

_FILE = Path(__file__).parent / "blend.json"

#: By signal the values of N candidates, (N,); NaN where one has none.
Signals = Mapping[str, NDArray[np.float32]]


class Measure(NamedTuple):
    """How a signal counts: its weight, and which value is usual and how far values spread over any two things."""

    weight: float
    usual: float
    spread: float


Blend = Mapping[str, Measure]


@cache
def shipped() -> Blend:
    """The blend that the product serves."""
    return {
        name: Measure(**values) for name, values in json.loads(_FILE.read_text("utf-8"))["signals"].items()
    }


def worths(signals: Signals, blend: Blend | None = None) -> dict[str, NDArray[np.float32]]:
    """What each signal adds to the score of each candidate, (N,): why a thing stands where it stands."""
    measures = shipped() if blend is None else blend
    return {name: _worth(values, measures[name]) for name, values in signals.items()}


def blended(signals: Signals, blend: Blend | None = None) -> NDArray[np.float32]:
    """One score for each of N candidates, (N,); 0 is what two things picked at random have."""
    added = list(worths(signals, blend).values())
    return np.asarray(np.sum(added, axis=0), dtype=np.float32)


def _worth(values: NDArray[np.float32], measure: Measure) -> NDArray[np.float32]:
    worth = measure.weight * (values - measure.usual) / measure.spread
    return np.asarray(np.nan_to_num(worth, nan=0.0), dtype=np.float32)
