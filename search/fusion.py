"""One ranking out of several signals, and why each result stands where it stands. Plain Python: no Django.

A convex combination of bounded scores, which beats reciprocal ranks where both sides are scored (Bruch, Gai and
Ingber 2023, "An Analysis of Fusion Functions for Hybrid Retrieval"). The bounds come from the weights file and
not from the list at hand, so a result's score does not depend on how many others were fetched beside it, and
pages fetched one after the other fit together.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from core.errors import ModelUnavailable

#: In why: what unwanted parts of a question took away.
UNWANTED = "unwanted"


class Hit(NamedTuple):
    """One asset in the ranking of one signal."""

    asset_id: int
    score: float


@dataclass(frozen=True)
class Calibration:
    """How one signal counts: `floor` is worth nothing, `ceiling` is worth the whole weight."""

    weight: float
    floor: float
    ceiling: float

    @property
    def slope(self) -> float:
        """What one unit of score above the floor adds to the fused score.

        Also above the ceiling, so that the order of two very good hits is never lost.
        """
        return self.weight / (self.ceiling - self.floor)


class Fused(NamedTuple):
    """An asset with its fused score and what each signal added to it."""

    asset_id: int
    score: float
    why: dict[str, float]


Weights = Mapping[str, Calibration]


def fuse(rankings: Mapping[str, Sequence[Hit]], weights: Weights) -> list[Fused]:
    """All assets of all rankings, best first, equal scores newest (highest id) first.

    An asset with several hits in one ranking (frames of a video) counts by its best. One that a ranking does
    not name gets nothing from it: give rankings that are complete for all candidates.
    """
    why: dict[int, dict[str, float]] = {}
    for signal, hits in rankings.items():
        floor, slope = weights[signal].floor, weights[signal].slope
        for asset_id, score in hits:
            reasons = why.get(asset_id)
            if reasons is None:
                reasons = why[asset_id] = {}
            worth = (score - floor) * slope
            if worth > reasons.get(signal, 0.0):
                reasons[signal] = worth
    # Rounded, so that what two processes add up in another order stays equal.
    fused = [Fused(asset_id, round(sum(reasons.values()), 6), reasons) for asset_id, reasons in why.items()]
    fused.sort(key=lambda one: (one.score, one.asset_id), reverse=True)
    return fused


def scaled(weights: Weights, factor: float) -> Weights:
    """The same weights for a part of a question that counts so many times as much."""
    return {name: replace(one, weight=one.weight * factor) for name, one in weights.items()}


def without(wanted: Sequence[Fused], unwanted: Sequence[Fused]) -> list[Fused]:
    """The wanted assets, of which each loses what it would have got for what is unwanted; best first."""
    taken = {one.asset_id: one.score for one in unwanted}
    left = [
        Fused(
            one.asset_id,
            round(one.score - taken.get(one.asset_id, 0.0), 6),
            {**one.why, UNWANTED: -taken[one.asset_id]} if taken.get(one.asset_id) else one.why,
        )
        for one in wanted
    ]
    return sorted(left, key=lambda one: (one.score, one.asset_id), reverse=True)


def summed_by_signal(why: Mapping[str, float]) -> dict[str, float]:
    """What each kind of signal added, of all parts: names may carry the number of a part before a colon."""
    summed: dict[str, float] = {}
    for name, worth in why.items():
        signal = name.rpartition(":")[2]
        summed[signal] = summed.get(signal, 0.0) + worth
    return summed


def read_weights(path: Path) -> dict[str, dict[str, Calibration]]:
    """Weights by purpose ("text", "image", "related") and signal, from a JSON file."""
    try:
        purposes = json.loads(path.read_text("utf-8"))["weights"]
        return {
            purpose: {signal: _calibration(values) for signal, values in signals.items()}
            for purpose, signals in purposes.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelUnavailable(f"The fusion weights in {path} can't be read: {error}") from error


def _calibration(values: Mapping[str, float]) -> Calibration:
    calibration = Calibration(float(values["weight"]), float(values["floor"]), float(values["ceiling"]))
    if calibration.weight < 0 or calibration.ceiling <= calibration.floor:
        raise ValueError(f"weight must not be negative and ceiling must be above floor: {values}")
    return calibration
