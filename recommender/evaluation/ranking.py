"""How good rankings of a labelled collection are. Plain numpy: no Django, no torch."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from captioning.evaluation.bootstrap import interval

#: How long the lists are that people see.
DEPTH = 10

Ranking = NDArray[np.int64]
Gains = NDArray[np.float32]


@dataclass(frozen=True)
class Judged:
    """Figures of one arm. ndcg, precision: (Q,), of each query; coverage and diversity of all lists."""

    ndcg: NDArray[np.float64]
    precision: NDArray[np.float64]
    coverage: float
    diversity: float

    def as_json(self) -> dict[str, float | list[float]]:
        """Means, and the interval in which the mean nDCG lies with 95% confidence."""
        low, high = interval(self.ndcg)
        return {
            "ndcg10": _rounded(self.ndcg.mean()),
            "precision10": _rounded(self.precision.mean()),
            "coverage": _rounded(self.coverage),
            "diversity": _rounded(self.diversity),
            "ci95": [_rounded(low), _rounded(high)],
        }


def judged(lists: Ranking, gains: Gains, looks: NDArray[np.float32]) -> Judged:
    """Figures of the lists (Q, 10), best first, of columns of `gains` (Q, N).

    coverage: share of the N that stand in any list. diversity: one minus the mean cosine of two members of a list, by
    their vectors `looks` (N, D), of unit length; whatever ranked the list, so that arms compare.
    """
    found = np.take_along_axis(gains, lists, axis=1)
    return Judged(
        ndcg=ndcg(found, gains),
        precision=(found > 0).mean(axis=1),
        coverage=len(np.unique(lists)) / gains.shape[1],
        diversity=float(np.mean([_spread(looks[members]) for members in lists])),
    )


def ndcg(found: Gains, gains: Gains) -> NDArray[np.float64]:
    """Of each query, the gain of what was found over that of the best list there could be (Järvelin and Kekäläinen
    2002), gains as they are and not as powers of two: found (Q, 10), gains (Q, N) -> (Q,).
    """
    depth = found.shape[1]
    discounts = 1.0 / np.log2(np.arange(2, depth + 2))
    best = -np.sort(-gains, axis=1)[:, :depth]
    ideal = best @ discounts[: best.shape[1]]
    return np.divide(found @ discounts, ideal, out=np.zeros(len(found)), where=ideal > 0)


def compared(one: Mapping[str, Judged], better: str, than: str) -> dict[str, float | list[float]]:
    """How much the nDCG of one arm is above another's, query by query, and the interval of that."""
    differences = one[better].ndcg - one[than].ndcg
    low, high = interval(differences)
    return {"ndcg10": _rounded(differences.mean()), "ci95": [_rounded(low), _rounded(high)]}


def best_of(scores: NDArray[np.float32], depth: int = DEPTH) -> Ranking:
    """Columns of the `depth` highest scores of each row, the best first: (Q, N) -> (Q, depth)."""
    depth = min(depth, scores.shape[1])
    chosen = np.argpartition(-scores, depth - 1, axis=1)[:, :depth]
    order = np.argsort(-np.take_along_axis(scores, chosen, axis=1), axis=1, kind="stable")
    return np.take_along_axis(chosen, order, axis=1)


def _spread(vectors: NDArray[np.float32]) -> float:
    cosines = vectors @ vectors.T
    return float(1.0 - cosines[np.triu_indices(len(vectors), k=1)].mean())


def _rounded(value: float) -> float:
    return round(float(value), 4)
