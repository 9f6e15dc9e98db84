"""How sure the classifier must be before its tag is right: judged by what people wrote about the same pictures.

Captions speak of few of the 1,000 classes by name ("dog", where the class is a breed), so words are not compared
but meanings: a tag agrees with its picture when the picture's captions are nearer to the tag's names, in the
sentence space, than those of 95 in 100 other pictures. By chance one in twenty tags would.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from captioning.training.dataset import CaptionedImage
from captioning.vision.tags import class_names, probabilities
from search.embedders import minilm

_NEAREST_SHARE = 0.05
#: Fewer tags than this say nothing of a threshold.
LEAST_TAGS = 20


@dataclass(frozen=True)
class Threshold:
    """Of the tags at or above a confidence: how many there are, and the share that agrees."""

    min_confidence: float
    tags: int
    agreement: float


def thresholds(images: Sequence[CaptionedImage], logits: NDArray[np.float32]) -> list[Threshold]:
    """Agreement of the likeliest class of each picture, logits (N, 1000), at confidences 0.05, 0.10, ..., 0.95."""
    sure = probabilities(logits)
    best = sure.argmax(axis=1)
    agrees = _agreement(images, best)
    found = []
    for step in range(1, 20):
        above = sure.max(axis=1) >= step * 0.05
        if above.sum() >= LEAST_TAGS:
            found.append(Threshold(round(step * 0.05, 2), int(above.sum()), float(agrees[above].mean())))
    return found


def lowest(found: Sequence[Threshold], wanted: float) -> Threshold:
    """The most generous threshold with the wanted agreement; the strictest where none reaches it."""
    return next((one for one in found if one.agreement >= wanted), found[-1])


def _agreement(images: Sequence[CaptionedImage], classes: NDArray[np.int64]) -> NDArray[np.bool_]:
    encoder = minilm.shared()
    chosen = sorted(set(classes.tolist()))
    names = encoder.sentences([", ".join(class_names()[at]) for at in chosen]).numpy()
    captions = encoder.sentences([caption for image in images for caption in image.captions]).numpy()
    ends = np.cumsum([len(image.captions) for image in images])[:-1]
    # (classes, images): how near the nearest caption of each picture is to each class
    near = np.stack([part.max(axis=1) for part in np.split(names @ captions.T, ends, axis=1)], axis=1)
    row = {at: number for number, at in enumerate(chosen)}
    return np.array(
        [
            (near[row[at]] > near[row[at], image]).mean() < _NEAREST_SHARE
            for image, at in enumerate(classes.tolist())
        ]
    )
