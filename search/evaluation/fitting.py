"""Fusion weights from data: every mixture tried on a calibration split, judged by the fused ranking."""

from collections.abc import Iterator, Mapping, Sequence
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
from search.training.recall import recall_at

Scores = Mapping[str, NDArray[np.float32]]
_STEPS = 100
#: No signal is silenced, whatever the split says: captions as queries never ask for a title or a name.
_FEWEST = 2
#: This share of the mixtures, the best, is averaged: the very best of thousands on one split is partly luck.
_AVERAGED = 0.005


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
    """The mean of the best among all mixtures in steps of 1/100, none of a signal below 2/100.

    Judged by the mean reciprocal rank: every place counts, where recall sees only whether a limit was crossed.
    Floor and ceiling of a signal are the 90th and 99.9th percentile of its scores: what hardly matches adds nothing.
    """
    bounds = {signal: _bounds(matrix) for signal, matrix in scores.items()}

    def mixed(parts: Sequence[float]) -> dict[str, Calibration]:
        return {
            signal: replace(bounds[signal], weight=round(part / _STEPS, 4))
            for signal, part in zip(bounds, parts, strict=True)
        }

    def worth(parts: Sequence[float]) -> float:
        return recall_at(fused_matrix(scores, mixed(parts)), owners)["mrr"]

    mixtures = list(_mixtures(len(bounds), _STEPS))
    ranked = sorted(tqdm(mixtures, desc="mixtures"), key=worth, reverse=True)
    return mixed(np.mean(ranked[: max(1, int(_AVERAGED * len(mixtures)))], axis=0).tolist())


def fused_matrix(scores: Scores, weights: Mapping[str, Calibration]) -> NDArray[np.float32]:
    """`search.fusion.fuse` over whole matrices: what each signal is worth, added up."""
    total = np.zeros_like(next(iter(scores.values())))
    for signal, matrix in scores.items():
        one = weights[signal]
        total += one.weight * np.maximum(matrix - one.floor, 0.0) / (one.ceiling - one.floor)
    return total


def _mixtures(signals: int, steps: int) -> Iterator[tuple[int, ...]]:
    if signals == 1:
        yield (steps,)
        return
    for first in range(_FEWEST, steps - _FEWEST * (signals - 1) + 1):
        for others in _mixtures(signals - 1, steps - first):
            yield (first, *others)


def _bounds(matrix: NDArray[np.float32]) -> Calibration:
    floor, top = (float(value) for value in np.quantile(matrix, (0.9, 0.999)))
    return Calibration(weight=1.0, floor=round(floor, 3), ceiling=round(max(top, floor + 0.1), 3))
