"""From the classifier's scores to the names worth keeping: above a confidence that was calibrated on `calib`."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from captioning.vision.tags import TagGuess, class_names, probabilities, top_classes

CALIBRATION = Path(__file__).parent / "checkpoints" / "tags.json"
MAX_TAGS = 5
_UNCALIBRATED = {"min_confidence": 0.5, "temperature": 1.0}


def tag_guesses(logits: NDArray[np.float32]) -> Iterator[list[TagGuess]]:
    """For each of N frames (logits: (N, 1000)) its tags, the surest first; often none."""
    calibration = _calibration()
    wanted = settings.TAG_MIN_CONFIDENCE
    least = calibration["min_confidence"] if wanted is None else wanted
    sure = probabilities(logits, calibration["temperature"])
    for row, classes in zip(sure, top_classes(logits, MAX_TAGS), strict=True):
        yield [TagGuess(class_names()[at], float(row[at])) for at in classes if row[at] >= least]


@cache
def _calibration() -> dict[str, float]:
    try:
        known = json.loads(CALIBRATION.read_text("utf-8"))
    except FileNotFoundError:
        return _UNCALIBRATED
    return _UNCALIBRATED | {key: float(known[key]) for key in _UNCALIBRATED if key in known}
