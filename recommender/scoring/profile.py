"""What a visitor is interested in, from what they turned to: several interests, each apart. Plain numpy: no Django."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.scoring.popularity import decay

#: What was turned to longer ago counts less: half after two weeks.
MEMORY_S = 14 * 86_400.0
#: Above this cosine with an interest, what was turned to belongs to it.
_SAME_INTEREST = 0.5
_INTERESTS_MOST = 6


@dataclass(frozen=True)
class Interests:
    """vectors: (K, D), unit length, the strongest first. weights: (K,), which add up to 1."""

    vectors: NDArray[np.float32]
    weights: NDArray[np.float32]

    def scores(self, content: NDArray[np.float32]) -> NDArray[np.float32]:
        """How well each of N things fits the interest that it fits best, (N, D) -> (N,); a weak interest counts less.

        The mean of all interests would fit what nobody is interested in: half cooking, half football.
        """
        if not len(self.weights):
            return np.zeros(len(content), dtype=np.float32)
        strength = self.weights / self.weights.max()
        fits: NDArray[np.float32] = ((content @ self.vectors.T) * np.sqrt(strength)).max(axis=1)
        return fits


def interests(
    vectors: NDArray[np.float32],
    strengths: NDArray[np.float64],
    ages_s: NDArray[np.float64],
) -> Interests:
    """Interests from what a visitor did: vectors (R, D) of things, strengths and ages (R,), in any order.

    Each thing joins the interest that it is nearest to, or begins one (leader clustering, Hartigan 1975), the strongest
    things first. strengths below 0 (dismissed) begin none and are left out.
    """
    weights = np.maximum(strengths, 0.0) * decay(ages_s, MEMORY_S)
    sums: list[NDArray[np.float64]] = []
    held: list[float] = []
    for row in np.argsort(-weights, kind="stable"):
        if weights[row] <= 0.0:
            break
        thing = vectors[row].astype(np.float64)
        cosines = [float(one @ thing / np.linalg.norm(one)) for one in sums]
        nearest = int(np.argmax(cosines)) if cosines else -1
        if nearest >= 0 and cosines[nearest] >= _SAME_INTEREST:
            sums[nearest] += weights[row] * thing
            held[nearest] += weights[row]
        else:
            sums.append(weights[row] * thing)
            held.append(weights[row])
    order = np.argsort(-np.array(held), kind="stable")[:_INTERESTS_MOST]
    if not len(order):
        return Interests(np.empty((0, vectors.shape[1]), np.float32), np.empty(0, np.float32))
    middles = np.array([sums[at] / np.linalg.norm(sums[at]) for at in order], dtype=np.float32)
    kept = np.array([held[at] for at in order])
    return Interests(middles, (kept / kept.sum()).astype(np.float32))
