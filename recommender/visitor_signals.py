"""How things fit a visitor: what they did, seen through what was learned of everybody."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recommender.content import content_of
from recommender.learned_behaviour import Learned
from recommender.refs import Ref
from recommender.scoring import personal
from recommender.scoring.factors import taste
from recommender.scoring.popularity import decay
from recommender.scoring.profile import MEMORY_S, Interests
from recommender.visitor_selectors import History


def signals_of(
    subjects: Sequence[Ref], history: History, learned: Learned, liked: Interests
) -> dict[str, NDArray[np.float32]]:
    """Each signal of each candidate, (N,): see `scoring.personal.signals`."""
    at = learned.rows_of(np.array([one.code for one in subjects], dtype=np.int64))
    there = at >= 0
    candidates = personal.Candidates(
        content_of(subjects),
        _taken(learned.factors, at, there),
        _taken(together(history, learned), at, there),
        _taken(learned.popularity, at, there),
    )
    return personal.signals(candidates, liked, _taste(history, learned))


def together(history: History, learned: Learned) -> NDArray[np.float32]:
    """How much each learned subject goes with what the visitor did, (I,)."""
    rows, weights = _done(history, learned)
    return learned.neighbours.together(rows, weights)


def fitting(history: History, learned: Learned) -> NDArray[np.float32]:
    """How much each learned subject is to the visitor's taste, (I,); zeros where that is not known."""
    mine = _taste(history, learned)
    return np.zeros(len(learned.codes), np.float32) if mine is None else learned.factors @ mine


def _taken(
    values: NDArray[np.float32], at: NDArray[np.int64], there: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Rows of what was learned for each candidate, zeros for those that nobody turned to."""
    taken = np.zeros((len(at), *values.shape[1:]), dtype=np.float32)
    taken[there] = values[at[there]]
    return taken


def _done(history: History, learned: Learned) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Rows of what the visitor turned to, each once, and how much that weighs now."""
    at = learned.rows_of(history.codes)
    weighed = history.strengths * decay(history.ages_s, MEMORY_S)
    rows, which = np.unique(at[at >= 0], return_inverse=True)
    return rows, np.bincount(which, weighed[at >= 0], minlength=len(rows)).astype(np.float64)


def _taste(history: History, learned: Learned) -> NDArray[np.float32] | None:
    rows, weights = _done(history, learned)
    return taste(learned.factors, rows, weights) if len(rows) and learned.factors.shape[1] else None
