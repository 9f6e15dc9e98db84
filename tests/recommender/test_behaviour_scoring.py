"""What is learned from behaviour: what is popular now, what goes together, tastes, and interests kept apart."""

import tracemalloc

import numpy as np
import pytest

from recommender.scoring import covisitation, personal
from recommender.scoring.covisitation import neighbours
from recommender.scoring.factors import item_factors, taste
from recommender.scoring.popularity import HALF_LIFE_S, popularity
from recommender.scoring.profile import MEMORY_S, interests

COOKING, FOOTBALL = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]


def many(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float64)


def whole(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def test_popularity_fades_by_half_in_its_half_life() -> None:
    scores = popularity(whole(0, 1, 1), many(1, 1, 1), many(0, HALF_LIFE_S, HALF_LIFE_S), 3)
    assert scores[0] == pytest.approx(scores[1]) == pytest.approx(1.0)
    assert scores[2] == 0.0


def test_nothing_done_makes_nothing_popular() -> None:
    assert popularity(whole(), many(), many(), 2).tolist() == [0.0, 0.0]


def test_what_goes_together_is_found_and_not_merely_what_is_popular() -> None:
    # Items 0 and 1 by the same four persons; item 2 by everybody.
    persons = whole(*(4 * [0, 1, 2, 3]), *range(8))
    items = whole(*(8 * [0]), *(8 * [1]), *(8 * [2]))
    near = neighbours(persons[: len(items)], items, np.ones(len(items)), (8, 3))
    itself, close, popular = near.together(whole(0), many(1.0))
    assert close > popular > itself == 0.0


def test_only_the_strongest_neighbours_are_kept() -> None:
    persons = np.repeat(np.arange(6), 4)
    items = np.tile(np.arange(4), 6)
    near = neighbours(persons, items, np.ones(24), (6, 4), most=2)
    assert np.diff(near.indptr).max() <= 2


def test_what_goes_together_is_the_same_in_portions_and_by_the_formula(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(5)
    persons, items, strengths = (
        rng.integers(0, 40, 900),
        rng.integers(0, 31, 900),
        rng.choice([0.5, 1.0, 3.0], 900),
    )
    whole_at_once = neighbours(persons, items, strengths, (40, 32), most=32)
    seen = np.zeros((40, 32))
    np.add.at(seen, (persons, items), strengths)
    seen = np.minimum(seen, 1.0)
    both = seen.T @ seen
    norms = np.sqrt(np.maximum(np.diag(both), 1e-9))
    expected = both / np.outer(norms, norms) * both / (both + 3.0)
    np.fill_diagonal(expected, 0.0)
    told = [whole_at_once.together(whole(item), many(1.0)) for item in range(32)]
    np.testing.assert_allclose(told, expected, rtol=1e-5)
    for at_once in (1, 70, 400):
        monkeypatch.setattr(covisitation, "_PAIRS_AT_ONCE", at_once)
        for one, other in zip(
            neighbours(persons, items, strengths, (40, 32), most=32), whole_at_once, strict=True
        ):
            np.testing.assert_array_equal(one, other)


def test_no_more_pairs_are_held_than_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    persons, items = np.repeat(np.arange(200), 100), rng.integers(0, 2000, 20_000)
    monkeypatch.setattr(covisitation, "_PAIRS_AT_ONCE", 20_000)
    neighbours(persons, items, np.ones(20_000), (200, 2000))  # what is loaded once
    tracemalloc.start()
    try:
        neighbours(persons, items, np.ones(20_000), (200, 2000))
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most_bytes < 8_000_000  # those kept are 100,000; all are 1.7 million, and 40 MB


def two_camps() -> tuple[np.ndarray, np.ndarray]:
    """Twenty persons turn to items 0 to 4, twenty to items 5 to 9, each to three of them; nobody turns to item 10."""
    rng = np.random.default_rng(0)
    pairs = [(p, i) for p in range(40) for i in rng.choice(5, 3, replace=False) + 5 * (p // 20)]
    return whole(*(p for p, _ in pairs)), whole(*(i for _, i in pairs))


def test_a_taste_is_known_from_one_visit_without_learning_again() -> None:
    persons, items = two_camps()
    factors = item_factors(persons, items, np.ones(len(items)), (40, 11), factors=4)
    scores = factors @ taste(factors, whole(0), many(1.0))
    assert scores[1:5].min() > scores[5:10].max()
    assert not factors[10].any()


def test_several_interests_stay_apart() -> None:
    found = interests(np.array([COOKING, COOKING, FOOTBALL], np.float32), np.ones(3), np.zeros(3))
    assert len(found.weights) == 2
    assert found.weights == pytest.approx([2 / 3, 1 / 3])
    cooking, football, both = found.scores(
        np.array([COOKING, FOOTBALL, [0.7071, 0.7071, 0.0]], dtype=np.float32)
    )
    assert cooking > football > 0.5
    assert cooking > both


def test_recent_interests_count_more() -> None:
    found = interests(
        np.array([COOKING, COOKING, FOOTBALL], np.float32), np.ones(3), many(3 * MEMORY_S, 3 * MEMORY_S, 0)
    )
    assert found.vectors[0].tolist() == FOOTBALL
    assert found.weights[0] == pytest.approx(0.8)


def test_what_was_dismissed_is_no_interest() -> None:
    assert not len(interests(np.array([COOKING], np.float32), many(-1.0), many(0.0)).weights)


def test_of_a_stranger_only_popularity_is_known() -> None:
    nobody = interests(np.empty((0, 3), np.float32), many(), many())
    candidates = personal.Candidates(
        content=np.eye(3, dtype=np.float32),
        factors=np.zeros((3, 4), np.float32),
        together=np.zeros(3, np.float32),
        popularity=np.array([0.1, 1.0, 0.4], np.float32),
    )
    known = personal.signals(candidates, nobody, None)
    assert set(known) == {personal.POPULARITY}
    assert np.argsort(-personal.blended(known, 3)).tolist() == [1, 2, 0]
