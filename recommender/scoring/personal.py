"""What suits a visitor: content, behaviour and popularity in one score. Plain numpy: no Django."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.scoring.profile import Interests

CONTENT, FACTORS, TOGETHER, POPULARITY = "content", "factors", "together", "popularity"
#: How much each signal counts, in standard deviations of it over the candidates. Chosen once, on another seed of the
#: simulated visitors than the reported one (docs/recommendations.md).
WEIGHTS: Mapping[str, float] = {CONTENT: 1.0, FACTORS: 0.7, TOGETHER: 0.5, POPULARITY: 0.2}


@dataclass(frozen=True)
class Candidates:
    """N things that could be recommended. content: (N, D), unit length; (N, 0) where it is known of none.

    factors: (N, F), zeros where nothing is learned. together: (N,), how much they are turned to by who turned to what
    the visitor did. popularity: (N,).
    """

    content: NDArray[np.float32]
    factors: NDArray[np.float32]
    together: NDArray[np.float32]
    popularity: NDArray[np.float32]


def signals(
    candidates: Candidates, interests: Interests, taste: NDArray[np.float32] | None
) -> dict[str, NDArray[np.float32]]:
    """Each signal's score of each candidate, (N,); signals that know nothing of this visitor are left out."""
    known = {POPULARITY: candidates.popularity, TOGETHER: candidates.together}
    if len(interests.weights) and candidates.content.shape[1]:
        known[CONTENT] = interests.scores(candidates.content)
    if taste is not None:
        known[FACTORS] = candidates.factors @ taste
    return {name: scores for name, scores in known.items() if scores.size and float(np.ptp(scores)) > 0.0}


def blended(
    known: Mapping[str, NDArray[np.float32]], count: int, weights: Mapping[str, float] = WEIGHTS
) -> NDArray[np.float32]:
    """One score for each of `count` candidates: the weighted sum of the signals, each as z-scores over them."""
    total = np.zeros(count, dtype=np.float32)
    for name, scores in known.items():
        total += weighed(scores, weights[name])
    return total


def weighed(scores: NDArray[np.float32], weight: float) -> NDArray[np.float32]:
    """What one signal adds to the score of each of N candidates, (N,): its z-scores over them, times its weight."""
    added: NDArray[np.float32] = weight * (scores - scores.mean()) / (scores.std() + 1e-9)
    return added
