"""Recall of rankings, as retrieval papers report it. No Django, no torch."""

import numpy as np
from numpy.typing import NDArray


def ranks_of(scores: NDArray[np.float32], owners: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rank (0 is first) of each query's own image: scores (Q, N), owners (Q,). Ties count against us."""
    own = scores[np.arange(len(owners)), owners][:, None]
    better: NDArray[np.int64] = (scores >= own).sum(axis=1) - 1
    return better


def recall_at(scores: NDArray[np.float32], owners: NDArray[np.int64]) -> dict[str, float]:
    """r1, r5, r10 (shares of queries whose image is among the first k) and mrr (mean reciprocal rank)."""
    return figures_of(ranks_of(scores, owners))


def figures_of(ranks: NDArray[np.int64]) -> dict[str, float]:
    """The same from ranks; use a rank of at least the pool's size for an image that was not found."""
    figures = {f"r{k}": float((ranks < k).mean()) for k in (1, 5, 10)}
    return figures | {"mrr": float((1.0 / (ranks + 1)).mean())}


def mean_recall(figures: dict[str, float]) -> float:
    """Mean of r1, r5 and r10; what epochs are chosen by. Below zero where there are no figures yet."""
    return sum(figures[f"r{k}"] for k in (1, 5, 10)) / 3 if figures else -1.0
