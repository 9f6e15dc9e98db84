"""Pages of a ranking that is known only to a depth: nothing twice, nothing left out."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.fusion import Fused
from search.paging import FIRST_DEPTH, GROWTH, LAST_DEPTH, Place, Ranking, page, tiered


def library(count: int, seed: int = 0) -> Callable[[int], Ranking]:
    """A ranking out of two signals over `count` assets, as deep as it is asked for."""
    random = np.random.default_rng(seed)
    signals = [random.permutation(count) for _ in range(2)]
    # A score that has little to do with either rank: the hard case for keeping pages together.
    scores = random.random(count).round(2)

    def at(depth: int) -> Ranking:
        ranks: dict[int, int] = {}
        for signal in signals:
            for rank, asset_id in enumerate(signal[:depth].tolist()):
                ranks[asset_id] = min(rank, ranks.get(asset_id, rank))
        fused = [Fused(asset_id, float(scores[asset_id]), {}) for asset_id in ranks]
        fused.sort(key=lambda one: (one.score, one.asset_id), reverse=True)
        return tiered(fused, ranks, depth, complete=depth >= count)

    return at


def all_pages(ranking_at: Callable[[int], Ranking], limit: int) -> list[list[int]]:
    pages, place = [], None
    while True:
        shown, place = page(ranking_at, place, limit)
        pages.append([one.asset_id for one in shown])
        if place is None:
            return pages


@pytest.mark.parametrize("count", [0, 1, 19, 20, 21, FIRST_DEPTH, FIRST_DEPTH + 1, 3 * FIRST_DEPTH, 2000])
def test_paging_on_reaches_everything_once(count: int) -> None:
    pages = all_pages(library(count), 20)
    shown = [asset_id for one in pages for asset_id in one]
    assert sorted(shown) == list(range(count))
    assert all(len(one) == 20 for one in pages[:-1])


@given(count=st.integers(0, 1200), limit=st.integers(1, 100), seed=st.integers(0, 5))
@settings(max_examples=30, deadline=None)
def test_pages_of_any_size_show_the_same_order(count: int, limit: int, seed: int) -> None:
    in_pages = [asset_id for one in all_pages(library(count, seed), limit) for asset_id in one]
    assert in_pages == [asset_id for one in all_pages(library(count, seed), 100) for asset_id in one]


def test_the_first_page_asks_no_deeper_than_it_must() -> None:
    asked: list[int] = []
    whole = library(5000)

    def at(depth: int) -> Ranking:
        asked.append(depth)
        return whole(depth)

    page(at, None, 20)
    assert asked == [FIRST_DEPTH]


def test_results_are_in_the_order_of_their_score_inside_a_tier() -> None:
    ranking = library(3000)(FIRST_DEPTH * GROWTH)
    first = [one.score for one, tier in zip(ranking.results, ranking.tiers, strict=True) if tier == 0]
    assert first == sorted(first, reverse=True)
    assert list(ranking.tiers) == sorted(ranking.tiers)


def test_depth_ends_somewhere() -> None:
    whole = library(3 * LAST_DEPTH)
    deepest = whole(LAST_DEPTH)
    last = deepest.results[-1]
    place = Place(LAST_DEPTH, deepest.tiers[-1], last.score, last.asset_id)
    assert not deepest.complete
    assert page(whole, place, 100) == ([], None)


def _fixed(*results: tuple[int, float]) -> Callable[[int], Ranking]:
    fused = sorted((Fused(asset_id, score, {}) for asset_id, score in results), key=lambda one: -one.score)
    return lambda depth: tiered(
        fused, dict.fromkeys((one.asset_id for one in fused), 0), depth, complete=True
    )


def test_a_photo_added_between_pages_repeats_nothing() -> None:
    shown, place = page(_fixed((1, 0.9), (2, 0.8), (3, 0.7), (4, 0.6)), None, 2)
    assert [one.asset_id for one in shown] == [1, 2]
    # The newcomer stands first, and every score has moved a little, as keyword scores do when documents come.
    shown, place = page(_fixed((5, 0.95), (1, 0.89), (2, 0.79), (3, 0.69), (4, 0.59)), place, 2)
    assert [one.asset_id for one in shown] == [3, 4]
    assert place is None


def test_the_last_photo_shown_may_be_deleted_between_pages() -> None:
    _, place = page(_fixed((1, 0.9), (2, 0.8), (3, 0.7), (4, 0.6)), None, 2)
    shown, _ = page(_fixed((1, 0.9), (3, 0.7), (4, 0.6)), place, 2)
    assert [one.asset_id for one in shown] == [3, 4]


def test_a_place_behind_everything_gives_an_empty_last_page() -> None:
    assert page(_fixed((1, 0.9)), Place(FIRST_DEPTH, 0, 0.1, 99), 5) == ([], None)
