"""Persons who were made up, with preferences that are known: a site's visitors as a simulation has them.

A simulation proves that the recommender finds what there is to find and invents nothing where there is nothing. It
proves nothing of real visitors. Its parameters lie in `simulation.json` and were written before the recommender was
tuned; none of them is read by the recommender.

Items belong to topics, and their content vectors show the topic through noise. Each item has a style, too, which
its content does not show and which persons like or dislike: only behaviour tells. Persons have one to three topics, and
some lose one for another on a day of their own. On each visit a person looks at items drawn at random, down the list
with less and less attention, and clicks by the logistic of how much they like each. In the control everybody clicks
everything equally readily, at the same rate on average, so there is nothing to learn.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_PARAMETERS = Path(__file__).parent / "simulation.json"
DAY_S = 86_400.0


@dataclass(frozen=True)
class Parameters:
    """What is known of the made-up world. Weights are in logits, noise and spread against unit vectors."""

    seed: int
    items: int
    topics: int
    dimension: int
    topic_spread: float
    content_noise: float
    styles: int
    quality_sd: float
    persons: int
    strangers: int
    interests_most: int
    changing_share: float
    days: int
    test_days: int
    visits_per_day: float
    shown_per_visit: int
    attention: float
    interest_weight: float
    style_weight: float
    reluctance: float


@dataclass(frozen=True)
class Log:
    """What happened, in the order of time. persons, items, at_s, clicked: (R,), one row for each item looked at."""

    persons: NDArray[np.int64]
    items: NDArray[np.int64]
    at_s: NDArray[np.float64]
    clicked: NDArray[np.bool_]

    def part(self, chosen: NDArray[np.bool_]) -> "Log":
        """The rows that are chosen."""
        return Log(self.persons[chosen], self.items[chosen], self.at_s[chosen], self.clicked[chosen])


@dataclass(frozen=True)
class World:
    """content: (items, dimension), unit rows, all that a recommender may know of items. Persons from `strangers_from`
    on are seen in the test days only. before, after: what happened until the split, and since.
    """

    content: NDArray[np.float32]
    before: Log
    after: Log
    split_s: float
    strangers_from: int


def read_parameters() -> Parameters:
    """The frozen ones."""
    return Parameters(**json.loads(_PARAMETERS.read_text("utf-8")))


def simulate(parameters: Parameters, *, control: bool = False) -> World:
    """A world and what happened in it. control: the same visits, without preferences."""
    rng = np.random.default_rng(parameters.seed)
    tastes, content = _items(parameters, rng)
    likings = _likings(parameters, tastes, rng)
    visits = _visits(parameters, rng)
    log = _looked_at(parameters, likings, visits, rng, control=control)
    split_s = (parameters.days - parameters.test_days) * DAY_S
    known = (log.persons < parameters.persons) | (log.at_s >= split_s)
    early = log.at_s < split_s
    return World(content, log.part(known & early), log.part(known & ~early), split_s, parameters.persons)


def _items(p: Parameters, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """What items are about, and what their content shows of it."""
    centers = _unit(rng.normal(size=(p.topics, p.dimension)))
    about = centers[rng.integers(0, p.topics, p.items)]
    tastes = _unit(about + p.topic_spread * _unit(rng.normal(size=about.shape)))
    content = _unit(tastes + p.content_noise * _unit(rng.normal(size=about.shape)))
    return tastes, content.astype(np.float32)


def _likings(p: Parameters, tastes: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """How readily each person clicks each item before and after their change, in logits: (2, persons, items)."""
    people = p.persons + p.strangers
    styles, quality = rng.integers(0, p.styles, p.items), rng.normal(0.0, p.quality_sd, p.items)
    style_likings = rng.choice([-1.0, 1.0], size=(people, p.styles))[:, styles]
    likings = np.empty((2, people, p.items))
    for person in range(people):
        count = int(rng.integers(1, p.interests_most + 1))
        interests = tastes[rng.integers(0, p.items, count)]
        likings[0, person] = (interests @ tastes.T).max(axis=0)
        if rng.random() < p.changing_share:
            interests[0] = tastes[rng.integers(0, p.items)]
        likings[1, person] = (interests @ tastes.T).max(axis=0)
    fixed = p.style_weight * style_likings + quality - p.reluctance
    return p.interest_weight * likings + fixed


def _visits(p: Parameters, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Who came and when, in seconds, in the order of time."""
    people = p.persons + p.strangers
    counts = rng.poisson(p.visits_per_day * p.days, people)
    persons = np.repeat(np.arange(people), counts)
    at_s = rng.uniform(0.0, p.days * DAY_S, len(persons))
    order = np.argsort(at_s)
    return persons[order], at_s[order]


def _looked_at(
    p: Parameters,
    likings: NDArray[np.float64],
    visits: tuple[NDArray[np.int64], NDArray[np.float64]],
    rng: np.random.Generator,
    *,
    control: bool,
) -> Log:
    persons, at_s = visits
    changed_s = rng.uniform(0.2, 0.8, size=(likings.shape[1],)) * (p.days - p.test_days) * DAY_S
    shown = np.stack([rng.choice(p.items, p.shown_per_visit, replace=False) for _ in persons])
    now = (at_s >= changed_s[persons]).astype(np.int64)
    chances = 1.0 / (1.0 + np.exp(-likings[now[:, None], persons[:, None], shown]))
    if control:
        chances = np.full_like(chances, chances.mean())
    clicked = rng.random(chances.shape) < chances * p.attention ** np.arange(p.shown_per_visit)
    seconds = at_s[:, None] + np.arange(p.shown_per_visit)
    return Log(np.repeat(persons, p.shown_per_visit), shown.ravel(), seconds.ravel(), clicked.ravel())


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    unit: NDArray[np.float64] = rows / np.linalg.norm(rows, axis=-1, keepdims=True)
    return unit
