"""Fusing rankings, by hand-made numbers."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ModelUnavailable
from search.active import CHECKPOINTS
from search.fusion import Calibration, Hit, fuse, read_weights

WEIGHTS = {
    "image": Calibration(weight=0.6, floor=0.1, ceiling=0.5),
    "keyword": Calibration(weight=0.4, floor=0.0, ceiling=1.0),
}


def test_each_signal_adds_its_calibrated_share() -> None:
    (one,) = fuse({"image": [Hit(7, 0.3)], "keyword": [Hit(7, 0.25)]}, WEIGHTS)
    assert one.asset_id == 7
    assert one.why == pytest.approx({"image": 0.6 * 0.2 / 0.4, "keyword": 0.4 * 0.25})
    assert one.score == pytest.approx(0.4)


def test_a_signal_that_adds_nothing_is_no_reason() -> None:
    (one,) = fuse({"image": [Hit(7, 0.05)], "keyword": [Hit(7, 0.5)]}, WEIGHTS)
    assert one.why == pytest.approx({"keyword": 0.2})


def test_an_asset_counts_by_its_best_frame() -> None:
    fused = fuse({"image": [Hit(1, 0.2), Hit(1, 0.4), Hit(2, 0.3)]}, WEIGHTS)
    assert [one.asset_id for one in fused] == [1, 2]
    assert fused[0].score == pytest.approx(0.45)


def test_more_than_the_ceiling_still_ranks_higher() -> None:
    assert [one.asset_id for one in fuse({"image": [Hit(1, 0.6), Hit(2, 0.9)]}, WEIGHTS)] == [2, 1]


def test_equal_scores_come_newest_first() -> None:
    assert [one.asset_id for one in fuse({"image": [Hit(1, 0.3), Hit(3, 0.3), Hit(2, 0.3)]}, WEIGHTS)] == [
        3,
        2,
        1,
    ]


def test_two_weak_reasons_may_beat_a_strong_one() -> None:
    rankings = {"image": [Hit(1, 0.45), Hit(2, 0.4)], "keyword": [Hit(2, 0.5)]}
    assert fuse(rankings, WEIGHTS)[0].asset_id == 2


def test_nothing_in_nothing_out() -> None:
    assert fuse({}, WEIGHTS) == []
    assert fuse({"image": []}, WEIGHTS) == []


HITS = st.lists(st.builds(Hit, st.integers(1, 30), st.floats(-1, 1)), max_size=40)


@given(image=HITS, keyword=HITS, more=HITS)
def test_a_score_does_not_depend_on_who_stands_beside_it(
    image: list[Hit], keyword: list[Hit], more: list[Hit]
) -> None:
    """What paging rests on: asking deeper brings more results and moves none."""
    alone = {one.asset_id: one.score for one in fuse({"image": image, "keyword": keyword}, WEIGHTS)}
    others = [hit for hit in more if hit.asset_id not in alone]
    beside = {one.asset_id: one.score for one in fuse({"image": image + others, "keyword": keyword}, WEIGHTS)}
    assert {asset_id: beside[asset_id] for asset_id in alone} == alone


@given(image=HITS, keyword=HITS)
def test_reasons_add_up_to_the_score_and_the_order_falls(image: list[Hit], keyword: list[Hit]) -> None:
    fused = fuse({"image": image, "keyword": keyword}, WEIGHTS)
    assert all(one.score == pytest.approx(sum(one.why.values()), abs=1e-6) for one in fused)
    assert [one.score for one in fused] == sorted((one.score for one in fused), reverse=True)
    assert len({one.asset_id for one in fused}) == len(fused)


def test_the_shipped_weights_are_whole() -> None:
    weights = read_weights(CHECKPOINTS / "fusion.json")
    assert set(weights["text"]) == {"image", "caption", "keyword"}
    assert set(weights["image"]) == {"image"}
    assert set(weights["related"]) == {"image", "caption"}


@pytest.mark.parametrize(
    "content",
    [
        "not json",
        "[]",
        "{}",
        json.dumps({"weights": {"text": {"image": {"weight": 1}}}}),
        json.dumps({"weights": {"text": {"image": {"weight": -1, "floor": 0, "ceiling": 1}}}}),
        json.dumps({"weights": {"text": {"image": {"weight": 1, "floor": 1, "ceiling": 1}}}}),
    ],
)
def test_damaged_weights_are_a_missing_model(tmp_path: Path, content: str) -> None:
    (tmp_path / "fusion.json").write_text(content)
    with pytest.raises(ModelUnavailable):
        read_weights(tmp_path / "fusion.json")
