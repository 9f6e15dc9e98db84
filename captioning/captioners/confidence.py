"""How likely a sentence is right: what was fitted on the split `calib`, kept beside the weights it belongs to."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import ModelUnavailable

CONFIDENCE = "confidence.json"


@dataclass(frozen=True)
class Logistic:
    """A probability from weighted evidence, as Platt (1999) makes one of a classifier's score."""

    bias: float
    weights: Mapping[str, float]

    def __call__(self, evidence: Mapping[str, float]) -> float:
        """In (0, 1). KeyError where evidence that has a weight is missing."""
        logit = self.bias + sum(weight * evidence[name] for name, weight in self.weights.items())
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, logit))))

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Logistic":
        return cls(float(values["bias"]), {name: float(each) for name, each in values["weights"].items()})


def fitted_for(folder: Path, model_id: str) -> dict[str, Any] | None:
    """What `manage.py calibrate_captions` wrote into a checkpoint folder, where it is of this very model.

    None for another decoding or other weights: their confidences mean something else. ModelUnavailable where the
    file can't be read.
    """
    file = folder / CONFIDENCE
    if not file.is_file():
        return None
    try:
        told: dict[str, Any] = json.loads(file.read_text("utf-8"))
        return told if told["model_id"] == model_id else None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelUnavailable(
            f"{file} can't be read ({error}): delete it, or write it anew with `manage.py calibrate_captions`."
        ) from error


def calibration_of(folder: Path, model_id: str) -> Logistic | None:
    """From the evidence of a draft to the probability that it is right; None where nobody calibrated this model."""
    fitted = fitted_for(folder, model_id)
    return None if fitted is None else Logistic.from_json(fitted["confidence"])
