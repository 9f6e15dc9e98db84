"""Exact scans over plain arrays, shared by the oracle, the tail and narrow filters."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from core.errors import EngineUnavailable
from search.index.base import NO_HITS, Hits, Ids, Vectors

#: Rows gathered at a time from a mapped file: bounds the memory of a scan over a wide filter.
CHUNK = 8192
DECIMALS = 5


def check_query(query: Vectors, dimension: int) -> None:
    """A query of another length belongs to another model: an answer would be noise."""
    if query.shape != (dimension,):
        raise EngineUnavailable(
            f"The query has shape {query.shape}, the index holds vectors of length {dimension}: "
            "was the model changed without embedding the photos again?"
        )


def top_k(frame_ids: Ids, scores: NDArray[np.float32], k: int) -> Hits:
    """The k best, equal scores by frame id, so that the same question has the same answer.

    Scores are rounded: BLAS adds up equal vectors in different orders, depending on where in a matrix they stand.
    """
    scores = np.round(scores, DECIMALS)
    if k < len(scores):
        # The k-th best score first, so that only what can be among the best is sorted.
        cut = np.partition(scores, len(scores) - k)[len(scores) - k]
        keep = np.flatnonzero(scores >= cut)
        frame_ids, scores = frame_ids[keep], scores[keep]
    order = np.lexsort((frame_ids, -scores))[:k]
    return Hits(frame_ids[order], scores[order])


def best_of(parts: list[Hits], k: int) -> Hits:
    """The k best of several rankings that share no frame."""
    parts = [part for part in parts if len(part)]
    if not parts:
        return NO_HITS
    return top_k(
        np.concatenate([part.frame_ids for part in parts]), np.concatenate([part.scores for part in parts]), k
    )


def scan(frame_ids: Ids, vectors: Vectors, query: Vectors, k: int) -> Hits:
    """The k best of all rows."""
    if not len(frame_ids):
        return NO_HITS
    return top_k(frame_ids, vectors @ query, k)


def scan_at(
    positions: Ids, frame_ids: Ids, rows_at: Callable[[Ids], Vectors], query: Vectors, k: int
) -> Hits:
    """The k best of the rows at these positions, which `rows_at` fetches."""
    parts = []
    for start in range(0, len(positions), CHUNK):
        chunk = positions[start : start + CHUNK]
        parts.append(top_k(frame_ids[chunk], rows_at(chunk) @ query, k))
    return best_of(parts, k)


def positions_of(wanted: Ids, sorted_ids: Ids) -> Ids:
    """Where in `sorted_ids` the wanted ids stand; those that aren't there are left out."""
    if not len(sorted_ids):
        return np.empty(0, dtype=np.int64)
    found = np.minimum(np.searchsorted(sorted_ids, wanted), len(sorted_ids) - 1)
    return np.unique(found[sorted_ids[found] == wanted]).astype(np.int64)
