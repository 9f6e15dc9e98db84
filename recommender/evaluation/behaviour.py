"""Does behaviour help, where there is something to learn, and does it invent nothing where there is not?

The recommender learns from what made-up visitors did before a moment, and is judged by what they click afterwards.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from captioning.evaluation.bootstrap import interval
from recommender.evaluation.ranking import best_of, ndcg
from recommender.evaluation.simulation import Log, Parameters, World, simulate
from recommender.scoring import personal
from recommender.scoring.covisitation import Neighbours, neighbours
from recommender.scoring.factors import item_factors, taste
from recommender.scoring.popularity import decay, popularity
from recommender.scoring.profile import MEMORY_S, interests

RANDOM, POPULARITY, CONTENT, PERSONAL = "random", "popularity", "content only", "personal"
_SEED = 0

Scores = NDArray[np.float32]


@dataclass(frozen=True)
class Learned:
    """What visitors taught, of I items: popularity (I,), fading and of all times; neighbours; factors (I, F)."""

    popularity: Scores
    of_all_times: Scores
    neighbours: Neighbours
    factors: Scores


@dataclass(frozen=True)
class Measured:
    """Of the persons who clicked something new: ndcg and recall (Q,), of their first ten."""

    ndcg: NDArray[np.float64]
    recall: NDArray[np.float64]

    def as_json(self) -> dict[str, Any]:
        low, high = interval(self.ndcg)
        return {
            "ndcg10": round(float(self.ndcg.mean()), 4),
            "recall10": round(float(self.recall.mean()), 4),
            "ci95": [round(low, 4), round(high, 4)],
        }


def evaluate(parameters: Parameters) -> dict[str, Any]:
    """The one JSON object of `manage.py evaluate_behaviour`."""
    report: dict[str, Any] = {"simulation": True}
    for name, control in (("with_preferences", False), ("control", True)):
        world = simulate(parameters, control=control)
        learned = learn(world)
        known = _measured(world, learned, (RANDOM, POPULARITY, CONTENT, PERSONAL), strangers=False)
        strange = _measured(world, learned, (RANDOM, POPULARITY, PERSONAL), strangers=True)
        report[name] = {
            "n_persons": len(known[PERSONAL].ndcg),
            **{arm: one.as_json() for arm, one in known.items()},
            "personal_above_content": _gain(known[PERSONAL], known[CONTENT]),
            "n_strangers": len(strange[PERSONAL].ndcg),
            "strangers": {arm: one.as_json() for arm, one in strange.items()},
            "strangers_above_popularity": _gain(strange[PERSONAL], strange[POPULARITY]),
        }
    return report


def learn(world: World) -> Learned:
    """As the scheduled job learns: from the clicks until the split."""
    persons, items, ages_s = _clicks(world.before, world.split_s)
    strengths, count = np.ones(len(items)), len(world.content)
    shape = (int(world.after.persons.max()) + 1, count)
    return Learned(
        popularity(items, strengths, ages_s, count),
        popularity(items, strengths, np.zeros_like(ages_s), count),
        neighbours(persons, items, strengths, shape),
        item_factors(persons, items, strengths, shape),
    )


def personal_scores(
    world: World, learned: Learned, items: NDArray[np.int64], ages_s: NDArray[np.float64]
) -> Scores:
    """As a request is answered: scores (I,) for who clicked these items (R,) so long ago."""
    ones = np.ones(len(items))
    clicked, at = np.unique(items, return_inverse=True)
    strengths = np.bincount(at, decay(ages_s, MEMORY_S)).astype(np.float64)
    candidates = personal.Candidates(
        world.content,
        learned.factors,
        learned.neighbours.together(clicked, strengths),
        learned.popularity,
    )
    mine = taste(learned.factors, clicked, strengths) if len(clicked) else None
    known = personal.signals(candidates, interests(world.content[items], ones, ages_s), mine)
    return personal.blended(known, len(world.content))


def _measured(
    world: World, learned: Learned, arms: tuple[str, ...], *, strangers: bool
) -> Mapping[str, Measured]:
    persons, items, ages_s = _clicks(world.before, world.split_s)
    after_persons, after_items, _ = _clicks(world.after, world.split_s)
    rng = np.random.default_rng(_SEED)
    ways: dict[str, Callable[[NDArray[np.int64], NDArray[np.float64]], Scores]] = {
        RANDOM: lambda mine, ages: rng.random(len(world.content), dtype=np.float32),
        POPULARITY: lambda mine, ages: learned.of_all_times,
        CONTENT: lambda mine, ages: world.content @ world.content[mine].mean(axis=0),
        PERSONAL: lambda mine, ages: personal_scores(world, learned, mine, ages),
    }
    gains: list[Scores] = []
    scores: dict[str, list[Scores]] = {arm: [] for arm in arms}
    for person in np.unique(after_persons):
        mine, ages = items[persons == person], ages_s[persons == person]
        wanted = np.setdiff1d(after_items[after_persons == person], mine)
        if (
            not len(wanted)
            or (person >= world.strangers_from) != strangers
            or (not strangers and not len(mine))
        ):
            continue
        gains.append(np.isin(np.arange(len(world.content)), wanted).astype(np.float32))
        for arm, of_arm in scores.items():
            given = ways[arm](mine, ages).copy()
            given[mine] = -np.inf  # nobody is shown again what they have seen
            of_arm.append(given)
    return {arm: _judged(np.stack(of_arm), np.stack(gains)) for arm, of_arm in scores.items()}


def _judged(scores: Scores, gains: Scores) -> Measured:
    found = np.take_along_axis(gains, best_of(scores), axis=1)
    return Measured(ndcg(found, gains), found.sum(axis=1) / gains.sum(axis=1))


def _gain(one: Measured, other: Measured) -> dict[str, Any]:
    """How much more nDCG, in nDCG with its interval over persons, and as a share of the other's."""
    low, high = interval(one.ndcg - other.ndcg)
    share = float(one.ndcg.mean() / other.ndcg.mean() - 1.0) if other.ndcg.any() else 0.0
    return {
        "ndcg10": round(float((one.ndcg - other.ndcg).mean()), 4),
        "ci95": [round(low, 4), round(high, 4)],
        "share": round(share, 3),
    }


def _clicks(log: Log, now_s: float) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Persons, items and ages of what was clicked, (R,) each."""
    return log.persons[log.clicked], log.items[log.clicked], now_s - log.at_s[log.clicked]
