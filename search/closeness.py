"""Whether anything comes close to a query, or a library only has what is least unlike it. Plain Python: no Django.

A fixed threshold on a score shows rubbish to one query and hides good answers to the next. So what several signals say
of the best answers is weighed, by weights fitted on queries whose right photos had been taken away, and must reach more
the more photos there are: the best of many that are not meant is better than the best of few. Of independent scores it
grows as the square root of twice the logarithm of their number (Fisher and Tippett 1928), and so do the limits here.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest
from pathlib import Path

from core.errors import ModelUnavailable
from search.fusion import Hit

#: One answer may be a fluke; where something is meant there are mostly several that fit a little.
SEVERAL = 3
Evidence = Mapping[str, float]


@dataclass(frozen=True)
class Limit:
    """What the weighed evidence must reach: `base` for one photo, and `growth` more for each step of `reach`."""

    base: float
    growth: float

    def of(self, photos: int) -> float:
        return self.base + self.growth * reach(photos)


@dataclass(frozen=True)
class Cutoff:
    """weights: of the evidence. limits: one of them is enough. models: by space, whose scores are weighed."""

    weights: Mapping[str, float]
    limits: tuple[Limit, ...]
    models: Mapping[str, str]

    def is_close(self, evidence: Evidence, photos: int) -> bool:
        """Whether the best answers among so many photos fit the query."""
        return weighed(self.weights, evidence) >= min(limit.of(photos) for limit in self.limits)


def weighed(weights: Mapping[str, float], evidence: Evidence) -> float:
    """The weighted sum: the higher, the closer. KeyError where evidence that has a weight is missing."""
    return sum(weight * evidence[name] for name, weight in weights.items())


def reach(photos: int) -> float:
    """How far the best of so many independent standard normal scores lies above their mean, roughly."""
    return math.sqrt(2 * math.log(max(photos, 1)))


def evidence_of(scores: Mapping[str, Iterable[float]], photos: int) -> dict[str, float]:
    """Of each signal, with its scores of photos, the best one and the mean of the best few of so many photos.

    Photos without a score in a signal count as 0.
    """
    few = max(1, min(SEVERAL, photos))
    evidence: dict[str, float] = {}
    for signal, found in scores.items():
        best = nlargest(few, found)
        evidence[signal] = best[0] if best else 0.0
        evidence[f"{signal}_several"] = sum(best) / few
    return evidence


def scores_of_assets(hits: Sequence[Hit]) -> list[float]:
    """The best score of each asset: of a video several frames may have been found."""
    best: dict[int, float] = {}
    for asset_id, score in hits:
        best[asset_id] = max(score, best.get(asset_id, score))
    return list(best.values())


def read_cutoff(file: Path) -> Cutoff | None:
    """None where nobody fitted one; ModelUnavailable where the file can't be read."""
    if not file.is_file():
        return None
    try:
        told = json.loads(file.read_text("utf-8"))
        limits = tuple(Limit(float(one["base"]), float(one["growth"])) for one in told["limits"])
        if not limits:
            raise ValueError("there are no limits in it")
        weights = {str(name): float(weight) for name, weight in told["weights"].items()}
        return Cutoff(weights, limits, {str(space): str(one) for space, one in told["models"].items()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelUnavailable(
            f"The cut-off in {file} can't be read ({error}): delete it, or write it anew with `manage.py fit_cutoff`."
        ) from error
