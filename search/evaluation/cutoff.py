"""The cut-off from data: from the scores of a calibration split, of which photos are taken away by leaving them out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from captioning.evaluation.calibration import fitted
from core.errors import InvalidInput
from search.closeness import SEVERAL, Cutoff, Evidence, Limit, evidence_of, reach, weighed
from search.evaluation.absence import FIRST_FEW, FIRST_PAGE, SENTENCE, forms_of
from search.evaluation.concepts import Concept
from search.evaluation.fitting import Scores, fused_matrix
from search.evaluation.ingest import Query
from search.fusion import Calibration

#: So many photos, the right ones among them or not: libraries are of all sizes.
_SIZES = (12, 25, 50, 100, 200, 400)
#: The best alone says more of chance in words, several less; of pictures both tell.
_EVIDENCE = ("image", "image_several", "caption_several", "keyword_several")
_REACH = "reach"
#: The share of right answers that may be hidden: to what people wrote of photos, and to short queries for things. Those
#: are the harder ones: told as strictly apart, hardly any that is not there would be noticed.
_HIDDEN, _HIDDEN_THINGS = 0.045, 0.25
#: Sentences outnumber things, which people type: so many of them are left out.
_EVERY = 6
_SEED = 2026

Row = NDArray[np.float32]


@dataclass(frozen=True)
class Pools:
    """Evidence of queries over pools of one size. sentences, things: a right photo is where a person would see it.

    absent: things taken away, by form.
    """

    sentences: list[Evidence]
    things: list[Evidence]
    absent: list[Evidence]


def questions(queries: Sequence[Query], concepts: Sequence[Concept]) -> list[Query]:
    """What is asked: what people wrote, then each form of each concept, whose asset means nothing."""
    anyone = queries[0].asset_id
    return [*queries, *(Query(text, anyone) for one in concepts for text in forms_of(one).values())]


def fitted_cutoff(
    scores: Scores,
    owners: NDArray[np.int64],
    concepts: Sequence[Concept],
    weights: Mapping[str, Calibration],
    models: Mapping[str, str],
) -> Cutoff:
    """From the scores of `questions`, as `score_matrices` gives them: the cut-off of the models that made them.

    Weights by logistic regression between queries that find what they mean and queries whose photos are gone; limits as
    the evidence below which a small share of the former lies, in pools of several sizes. weights: of the fused ranking.
    InvalidInput where none of the queries finds what it means.
    """
    random = np.random.default_rng(_SEED)
    asked = _Asked(scores, fused_matrix(scores, weights), owners, concepts)
    sizes = [size for size in _SIZES if size < len(concepts[0].shown)] + [len(concepts[0].shown)]
    pools = [asked.pools(size, random) for size in sizes]
    if not all(pool.sentences and pool.things for pool in pools):
        raise InvalidInput("Too few queries find what they mean to fit a cut-off: take more images.")
    near = [one for pool in pools for one in (*pool.things, *pool.sentences[::_EVERY])]
    far = [one for pool in pools for one in pool.absent]
    kept = _weights(near, far)
    limits = [
        _limit(sizes, [np.quantile([weighed(kept, one) for one in of_size], share) for of_size in each])
        for each, share in (
            ([pool.sentences for pool in pools], _HIDDEN),
            ([pool.things for pool in pools], _HIDDEN_THINGS),
        )
    ]
    return Cutoff(kept, tuple(limits), models)


def _weights(near: Sequence[Evidence], far: Sequence[Evidence]) -> dict[str, float]:
    """Of the evidence, without what would speak against a query that it fits: that is chance."""
    right = np.array([True] * len(near) + [False] * len(far))
    names: tuple[str, ...] = _EVIDENCE
    while True:
        # How many photos there are is told by the limits.
        logistic = fitted([*near, *far], (*names, _REACH), right)
        telling = tuple(name for name in names if logistic.weights.get(name, 0.0) > 0)
        if telling == names:
            return {name: logistic.weights[name] for name in names}
        names = telling


def _limit(sizes: Sequence[int], levels: Sequence[float]) -> Limit:
    """The line through the levels of several sizes."""
    growth, base = np.polyfit([reach(size) for size in sizes], levels, 1)
    return Limit(float(base), float(growth))


@dataclass(frozen=True)
class _Asked:
    """Scores (Q, N) of `questions` and the right columns."""

    scores: Scores
    fused: Row
    owners: NDArray[np.int64]
    concepts: Sequence[Concept]

    def pools(self, size: int, random: np.random.Generator) -> Pools:
        names = list(forms_of(self.concepts[0]))
        first = len(self.owners) - len(names) * len(self.concepts)
        found = Pools([], [], [])
        everything = np.arange(self.fused.shape[1])
        for row in range(first):
            pool = _drawn(everything, size, random, self.owners[row])
            if self._finds(row, pool, self.owners[[row]], FIRST_PAGE):
                found.sentences.append(self._evidence(row, pool))
        for at, concept in enumerate(self.concepts):
            shown, others = np.flatnonzero(concept.shown), np.flatnonzero(~concept.shown)
            for number, name in enumerate(names):
                row = first + at * len(names) + number
                found.absent.append(self._evidence(row, _drawn(others, size, random)))
                pool = _drawn(everything, size, random, random.choice(shown))
                if name != SENTENCE and self._finds(row, pool, shown, FIRST_FEW):
                    found.things.append(self._evidence(row, pool))
        return found

    def _finds(self, row: int, pool: NDArray[np.int64], right: NDArray[np.int64], within: int) -> bool:
        best = pool[np.argsort(-self.fused[row, pool], kind="stable")[:within]]
        return bool(np.isin(best, right).any())

    def _evidence(self, row: int, pool: NDArray[np.int64]) -> Evidence:
        best = {signal: _best(matrix[row, pool]) for signal, matrix in self.scores.items()}
        return evidence_of(best, len(pool)) | {_REACH: reach(len(pool))}


def _drawn(
    columns: NDArray[np.int64], size: int, random: np.random.Generator, with_this: int | None = None
) -> NDArray[np.int64]:
    """So many of these columns, all where there are fewer, one of them always."""
    pool = random.choice(columns, min(size, len(columns)), replace=False)
    if with_this is not None and with_this not in pool:
        pool[0] = with_this
    return pool


def _best(row: Row) -> list[float]:
    """The few highest scores: all that counts."""
    few = min(SEVERAL, len(row))
    return [float(score) for score in np.partition(row, len(row) - few)[-few:]]
