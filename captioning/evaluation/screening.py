"""The screen on captions whose quality is known: its thresholds chosen, and how many bad captions it catches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from captioning.captioners.confidence import Logistic
from captioning.screening import Thresholds, doubts, words_of

Figures = NDArray[np.float64]
SHARES = (0.1, 0.2, 0.3, 0.4)
_WORST = 0.1
_DECIMALS = 3


@dataclass(frozen=True)
class Judged:
    """N captions: what the screen reads of them, and their CIDEr. confidences, matches, cider: (N,)."""

    texts: Sequence[str]
    confidences: Figures
    matches: Figures
    cider: Figures

    @property
    def worst(self) -> NDArray[np.bool_]:
        """The tenth with the lowest CIDEr; the first ones of those that are level."""
        chosen = np.zeros(len(self.cider), dtype=bool)
        chosen[np.argsort(self.cider, kind="stable")[: round(_WORST * len(self.cider))]] = True
        return chosen


def chosen(seen: Judged, wrong: Logistic, share: float) -> Thresholds:
    """Thresholds that send about `share` of the captions to review.

    Each caption is as suspicious as `wrong` finds its confidence and match; the two thresholds are where the
    suspicious `share` catches most at once, of all pairs that send no more than that. Lengths: from half of the
    shortest caption to half as much again as the longest, so that only what is out of the ordinary is doubted.
    """
    suspicion = suspicions(seen, wrong)
    lengths = [len(words_of(text)) for text in seen.texts]
    words = {"min_words": max(1, min(lengths) // 2), "max_words": max(lengths) * 3 // 2}
    best, caught = Thresholds(**words), -1.0
    for part in np.linspace(0, share, 61):
        # From the top down: as many by confidence, and of the others as many by match as there is room for.
        least = float(np.quantile(seen.confidences, part))
        unsure = seen.confidences < least
        room = round(share * len(unsure)) - int(unsure.sum())
        rest = np.sort(seen.matches[~unsure])
        match = float(rest[max(0, min(room, len(rest) - 1))])
        sent = unsure | (seen.matches < match)
        if suspicion[sent].sum() > caught:
            caught = float(suspicion[sent].sum())
            best = Thresholds(round(least, _DECIMALS), round(match, _DECIMALS), **words)
    return best


def suspicions(seen: Judged, wrong: Logistic) -> Figures:
    """How likely each caption is wrong, by its confidence and match: (N,)."""
    return np.array([wrong(each) for each in two_inputs(seen)])


def two_inputs(seen: Judged) -> list[Mapping[str, float]]:
    """What `priority` reads of each caption."""
    pairs = zip(seen.confidences.tolist(), seen.matches.tolist(), strict=True)
    return [{"confidence": confidence, "match": match} for confidence, match in pairs]


def sent_by(seen: Judged, thresholds: Thresholds) -> NDArray[np.bool_]:
    """Which captions the screen sends to review."""
    told = zip(seen.texts, seen.confidences.tolist(), seen.matches.tolist(), strict=True)
    return np.array([bool(doubts(*each, thresholds)) for each in told])


def caught_by(order: Figures, worst: NDArray[np.bool_], share: float) -> float:
    """Of the worst captions the part among the `share` that comes last in an order such as confidence, (N,)."""
    sent = np.argsort(order, kind="stable")[: round(share * len(order))]
    return float(worst[sent].sum() / worst.sum())
