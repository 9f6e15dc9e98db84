"""From a captioner's own evidence to the probability that its sentence is right: judged, fitted, measured, drawn.

Right is what agrees with people as well as people do with each other: a caption whose CIDEr against the human ones
reaches what four of five human captions reach against the others. No Django here.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from captioning.captioners.confidence import Logistic
from captioning.evaluation.metrics import cider_of_each
from core.errors import InvalidInput

_FOLDS = 10
_BINS = 10
_WORTH = 0.0005
#: The part of human captions that agrees less with the others than a right caption does.
_LEAST_TYPICAL = 0.2
Evidence = Sequence[Mapping[str, float]]
Figures = NDArray[np.float64]


def rightness(
    candidates: Sequence[str], references: Sequence[Sequence[str]], *, tokenizer: str = "ptb"
) -> NDArray[np.bool_]:
    """Which of N captions are right, each by its human ones, of which all pictures have equally many, two at least.

    One human caption after the other is left out and scored against the rest; the candidate is scored against the
    very same ones, so that neither has more references or rarer words. One level holds for all pictures: of a single
    one the lowest of five human scores says more of chance than of the picture.
    InvalidInput where a picture has one caption only.
    """
    count = min(len(group) for group in references)
    if count < 2:
        raise InvalidInput("To judge captions each picture needs two human ones or more.", field="dataset")
    own, human = [], []
    for left_out in range(count):
        rest = [[*group[:left_out], *group[left_out + 1 : count]] for group in references]
        own.append(cider_of_each(candidates, rest, tokenizer=tokenizer))
        human.append(cider_of_each([group[left_out] for group in references], rest, tokenizer=tokenizer))
    verdict: NDArray[np.bool_] = np.mean(own, axis=0) >= np.quantile(human, _LEAST_TYPICAL)
    return verdict


def fitted(evidence: Evidence, names: Sequence[str], right: NDArray[np.bool_]) -> Logistic:
    """The logistic model of N pieces of evidence that makes the verdicts likeliest; a constant where all are alike."""
    from sklearn.linear_model import LogisticRegression

    share = float(np.clip(right.mean(), 0.5 / len(right), 1 - 0.5 / len(right)))
    if right.all() or not right.any() or not names:
        return Logistic(float(np.log(share / (1 - share))), {})
    table = _table(evidence, names)
    spread = table.std(axis=0)
    spread[spread == 0] = 1.0
    # Of unit spread, so that the slight penalty, which keeps a perfect split finite, is the same for all.
    model: Any = LogisticRegression(C=100.0, max_iter=1000).fit((table - table.mean(axis=0)) / spread, right)
    weights = model.coef_[0] / spread
    bias = float(model.intercept_[0] - weights @ table.mean(axis=0))
    return Logistic(bias, dict(zip(names, map(float, weights), strict=True)))


def out_of_sample(evidence: Evidence, names: Sequence[str], right: NDArray[np.bool_]) -> Figures:
    """The probability (N,) of each verdict by a model that was fitted on nine tenths without it."""
    folds = np.random.default_rng(0).permutation(len(right)) % _FOLDS
    found = np.zeros(len(right))
    for fold in range(_FOLDS):
        inside = [each for each, own in zip(evidence, folds, strict=True) if own != fold]
        outside = [each for each, own in zip(evidence, folds, strict=True) if own == fold]
        found[folds == fold] = probabilities(fitted(inside, names, right[folds != fold]), outside)
    return found


def telling(evidence: Evidence, right: NDArray[np.bool_]) -> tuple[str, ...]:
    """Which evidence is worth its weight: the names by which unseen verdicts are told best, of all choices of names.

    A further name has to lower the Brier score by 0.0005 at least: with a few hundred captions less is chance.
    """
    names = list(evidence[0])
    choices = [choice for size in range(1, len(names) + 1) for choice in combinations(names, size)]
    return min(
        choices,
        key=lambda choice: brier(out_of_sample(evidence, choice, right), right) + _WORTH * len(choice),
    )


def probabilities(model: Logistic, evidence: Evidence) -> Figures:
    """What the model makes of N pieces of evidence: (N,)."""
    return np.array([model(each) for each in evidence])


def brier(probability: Figures, right: NDArray[np.bool_]) -> float:
    """Mean squared distance of probability and verdict (Brier 1950); 0 is perfect."""
    return float(np.mean((probability - right) ** 2))


def calibration_error(probability: Figures, right: NDArray[np.bool_]) -> float:
    """Expected calibration error (Naeini et al. 2015) over ten bins with equally many captions each."""
    bins = reliability(probability, right)
    return float(sum(count * abs(told - true) for told, true, count in bins) / len(right))


def reliability(probability: Figures, right: NDArray[np.bool_]) -> list[tuple[float, float, int]]:
    """Mean probability, share that is right and number of captions, of ten bins from the lowest to the highest."""
    parts = np.array_split(np.argsort(probability, kind="stable"), min(_BINS, len(right)))
    return [(float(probability[part].mean()), float(right[part].mean()), len(part)) for part in parts]


def draw_reliability(curves: Mapping[str, Figures], right: NDArray[np.bool_], file: Path) -> None:
    """A small PNG: what was told against what was true, one curve for each name."""
    figure = Figure(figsize=(4.2, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="0.7", linestyle="--", label="perfect")
    for name, probability in curves.items():
        told, true, _ = zip(*reliability(probability, right), strict=True)
        axes.plot(told, true, marker="o", label=name)
    axes.set(xlabel="confidence", ylabel="share of captions that are right", xlim=(0, 1), ylim=(0, 1))
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left")
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=90)


def _table(evidence: Evidence, names: Sequence[str]) -> Figures:
    return np.array([[each[name] for name in names] for each in evidence])
