"""Fusion weights from data: coordinate search on a calibration split, by mean recall of the fused ranking."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from search import keywords
from search.active import spaces
from search.evaluation.ingest import Query
from search.evaluation.modes import KEYWORD, query_vectors
from search.fusion import Calibration
from search.index.base import EVERYTHING
from search.indexing import index
from search.training.recall import mean_recall, recall_at

Scores = Mapping[str, NDArray[np.float32]]
_WEIGHTS = tuple(round(0.05 * step, 2) for step in range(21))
_PASSES = 3


def score_matrices(
    queries: Sequence[Query], asset_of_frame: Mapping[int, int]
) -> tuple[Scores, NDArray[np.int64]]:
    """Per signal the scores (Q, N) of every query and asset, and the column (Q,) of each query's own asset."""
    assets = sorted(set(asset_of_frame.values()))
    column = {asset_id: at for at, asset_id in enumerate(assets)}
    texts = [query.text for query in queries]
    scores: dict[str, NDArray[np.float32]] = {}
    for space in spaces():
        scores[space] = np.zeros((len(queries), len(assets)), np.float32)
        for row, vector in enumerate(query_vectors(texts, space)):
            hits = index(space).search(vector, len(asset_of_frame), EVERYTHING)
            columns = [column[asset_of_frame[frame_id]] for frame_id in hits.frame_ids.tolist()]
            scores[space][row, columns] = hits.scores
    scores[KEYWORD] = np.zeros((len(queries), len(assets)), np.float32)
    for row, text in enumerate(tqdm(texts, desc="keyword queries")):
        for asset_id, score in keywords.ask(keywords.query_words(text)).best(len(assets)):
            scores[KEYWORD][row, column[asset_id]] = score
    return scores, np.array([column[query.asset_id] for query in queries])


def fitted(scores: Scores, owners: NDArray[np.int64]) -> dict[str, Calibration]:
    """Weights that sum to one. Floor and ceiling of a signal are the 50th and 99.9th percentile of its scores."""
    weights = {signal: _bounds(matrix) for signal, matrix in scores.items()}
    for _ in range(_PASSES):
        for signal in weights:
            tried = [weights | {signal: replace(weights[signal], weight=weight)} for weight in _WEIGHTS]
            weights = max(tried, key=lambda one: mean_recall(recall_at(fused_matrix(scores, one), owners)))
    total = sum(one.weight for one in weights.values())
    return {signal: replace(one, weight=round(one.weight / total, 4)) for signal, one in weights.items()}


def fused_matrix(scores: Scores, weights: Mapping[str, Calibration]) -> NDArray[np.float32]:
    """`search.fusion.fuse` over whole matrices: what each signal is worth, added up."""
    total = np.zeros_like(next(iter(scores.values())))
    for signal, matrix in scores.items():
        one = weights[signal]
        total += one.weight * np.maximum(matrix - one.floor, 0.0) / (one.ceiling - one.floor)
    return total


def _bounds(matrix: NDArray[np.float32]) -> Calibration:
    middle, top = (float(value) for value in np.quantile(matrix, (0.5, 0.999)))
    return Calibration(weight=0.3, floor=round(middle, 3), ceiling=round(max(top, middle + 0.1), 3))
