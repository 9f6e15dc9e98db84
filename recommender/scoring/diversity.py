"""Lists that say more than one thing: maximal marginal relevance. Plain numpy: no Django."""

import numpy as np
from numpy.typing import NDArray


def diversified(
    scores: NDArray[np.float32], vectors: NDArray[np.float32], count: int, strength: float
) -> list[int]:
    """Positions of `count` of N candidates, each chosen for its score less what it repeats of those before it.

    Maximal marginal relevance (Carbonell and Goldstein 1998). scores: (N,), any scale; they are brought to 0..1 over
    the candidates. vectors: (N, D), unit length, or zeros for what repeats nothing. strength: 0 keeps the order of
    the scores, 1 looks at variety alone.
    """
    if not len(scores):
        return []
    low, high = float(scores.min()), float(scores.max())
    worth = (scores - low) / (high - low) if high > low else np.zeros_like(scores)
    repeated = np.zeros(len(scores), dtype=np.float32)
    chosen: list[int] = []
    left = np.ones(len(scores), dtype=bool)
    while len(chosen) < min(count, len(scores)):
        margin = np.where(left, (1.0 - strength) * worth - strength * repeated, -np.inf)
        best = int(np.argmax(margin))
        chosen.append(best)
        left[best] = False
        repeated = np.maximum(repeated, vectors @ vectors[best])
    return chosen
