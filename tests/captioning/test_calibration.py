"""Confidence made a probability: the judge, the fit, the measures, and the file beside the weights."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from captioning.captioners.confidence import Logistic, calibration_of, fitted_for
from captioning.evaluation import calibration
from captioning.evaluation.calibration import (
    brier,
    calibration_error,
    draw_reliability,
    fitted,
    out_of_sample,
    probabilities,
    reliability,
    rightness,
)
from captioning.evaluation.screening import Judged, caught_by, chosen, sent_by, suspicions, two_inputs
from core.errors import InvalidInput, ModelUnavailable

DOGS = ["a dog runs on the beach", "a brown dog runs on sand", "the dog runs on the beach", "a dog plays"]
BOATS = ["two boats on a lake", "two white boats on the water", "boats on a lake", "two boats float"]
CATS = ["a cat sleeps on a bed", "the cat sleeps on the bed", "a cat on a bed", "a sleeping cat"]


def test_right_is_what_agrees_with_people_as_four_of_five_of_them_do() -> None:
    references = [DOGS, BOATS, CATS]
    told = rightness(
        ["a dog runs on the beach", "two boats float", "a man rides a bike"], references, tokenizer="simple"
    )
    assert told.tolist() == [True, True, False]


def test_the_level_is_the_one_that_four_of_five_human_captions_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = iter([[0.49, 0.51], [0.0, 0.5], [0.49, 0.51], [1.0, 0.5], [0.49, 0.51], [0.5, 2.0]])
    monkeypatch.setattr(calibration, "cider_of_each", lambda *_, **__: np.array(next(scores)))
    assert rightness(["poor", "fine"], [["a"] * 3, ["b"] * 3]).tolist() == [False, True]


def test_one_human_caption_is_no_measure() -> None:
    with pytest.raises(InvalidInput, match="two human ones"):
        rightness(["a dog"], [["a dog"]], tokenizer="simple")


def test_measures_have_their_golden_values() -> None:
    right = np.array([True, False, True, True])
    assert brier(np.array([1.0, 0.0, 1.0, 1.0]), right) == 0
    assert brier(np.array([0.5, 0.5, 0.5, 0.5]), right) == pytest.approx(0.25)
    assert brier(np.array([0.8, 0.4, 0.6, 1.0]), right) == pytest.approx((0.04 + 0.16 + 0.16) / 4)
    assert calibration_error(np.array([0.8, 0.4, 0.6, 1.0]), right) == pytest.approx((0.2 + 0.4 + 0.4) / 4)
    assert calibration_error(np.full(40, 0.75), np.tile(right, 10)) == pytest.approx(0, abs=0.06)


def test_bins_are_equally_full_and_in_order() -> None:
    told = np.linspace(0, 1, 100)
    bins = reliability(told, told > 0.5)
    assert [count for _, _, count in bins] == [10] * 10
    assert [mean for mean, _, _ in bins] == sorted(mean for mean, _, _ in bins)
    assert (bins[0][1], bins[-1][1]) == (0.0, 1.0)


def drawn(count: int = 4000) -> tuple[list[dict[str, float]], np.ndarray]:
    """Evidence of which a known logistic model made the verdicts."""
    chance = np.random.default_rng(3)
    table = chance.normal(size=(count, 2)) * [0.5, 10.0]
    share = 1 / (1 + np.exp(-(0.7 + 2.0 * table[:, 0] - 0.1 * table[:, 1])))
    return [{"a": a, "b": b} for a, b in table.tolist()], chance.random(count) < share


def test_the_fit_finds_the_model_that_made_the_verdicts() -> None:
    model = fitted(*_with(drawn(), ["a", "b"]))
    assert model.bias == pytest.approx(0.7, abs=0.15)
    assert model.weights["a"] == pytest.approx(2.0, abs=0.25)
    assert model.weights["b"] == pytest.approx(-0.1, abs=0.02)


def test_calibrated_confidence_is_better_than_what_was_there() -> None:
    evidence, right = drawn()
    told = out_of_sample(evidence, ["a", "b"], right)
    assert calibration_error(told, right) < 0.03
    assert brier(told, right) < brier(np.full(len(right), right.mean()), right)


def test_a_model_that_is_calibrated_already_stays_as_it_is() -> None:
    chance = np.random.default_rng(5)
    logits = chance.normal(size=20_000)
    right = chance.random(len(logits)) < 1 / (1 + np.exp(-logits))
    model = fitted([{"logit": each} for each in logits.tolist()], ["logit"], right)
    assert (model.bias, model.weights["logit"]) == pytest.approx((0, 1), abs=0.08)


def test_verdicts_that_are_all_alike_give_a_constant_near_them() -> None:
    evidence = [{"a": float(at)} for at in range(20)]
    for value in (True, False):
        told = probabilities(fitted(evidence, ["a"], np.full(20, value)), evidence)
        assert np.ptp(told) == 0
        assert abs(told[0] - value) < 0.05


@given(st.floats(-1e6, 1e6), st.floats(0, 100), st.floats(-1e6, 1e6))
def test_a_probability_is_bounded_and_rises_with_what_counts_for_it(
    at: float, more: float, bias: float
) -> None:
    model = Logistic(bias, {"a": 2.0, "b": -1.0})
    here = model({"a": at, "b": 0.0})
    assert 0 < here < 1
    assert model({"a": at + more, "b": 0.0}) >= here
    assert model({"a": at, "b": more}) <= here


def test_what_lies_beside_other_weights_or_another_decoding_is_not_applied(tmp_path: Path) -> None:
    assert calibration_of(tmp_path, "mine") is None
    kept = {"model_id": "mine", "confidence": {"bias": 0.5, "weights": {"a": 2}}}
    (tmp_path / "confidence.json").write_text(json.dumps(kept))
    assert calibration_of(tmp_path, "mine") == Logistic(0.5, {"a": 2.0})
    assert calibration_of(tmp_path, "mine-beam5") is None
    for damage in ("{", "[]", "{}"):
        (tmp_path / "confidence.json").write_text(damage)
        with pytest.raises(ModelUnavailable, match=r"confidence\.json .* calibrate_captions"):
            fitted_for(tmp_path, "mine")


def test_the_plot_is_a_small_picture(tmp_path: Path) -> None:
    file = tmp_path / "docs" / "plot.png"
    told = np.linspace(0.1, 0.9, 50)
    draw_reliability({"before": told, "after": told**2}, told > 0.5, file)
    with Image.open(file) as picture:
        assert picture.width < 600
    assert file.stat().st_size < 60_000


def seen(count: int = 1000) -> tuple[Judged, Logistic]:
    """Captions of which confidence and match each tell something, and lengths tell nothing."""
    chance = np.random.default_rng(1)
    quality = chance.normal(size=count)
    confidence = 1 / (1 + np.exp(-(quality + chance.normal(size=count))))
    match = 0.3 + 0.1 * (quality + chance.normal(size=count))
    texts = [f"a dog runs on the beach number {at}" for at in range(count)]
    judged = Judged(texts, confidence, match, quality)
    return judged, fitted(two_inputs(judged), ("confidence", "match"), quality < -0.5)


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_thresholds_send_the_wanted_share_of_the_most_suspicious(share: float) -> None:
    judged, wrong = seen()
    sent = sent_by(judged, chosen(judged, wrong, share))
    assert sent.mean() == pytest.approx(share, abs=0.01)
    suspicion = suspicions(judged, wrong)
    for alone in (judged.confidences, judged.matches):
        lowest = np.argsort(alone)[: sent.sum()]
        assert suspicion[sent].sum() >= suspicion[lowest].sum() - 1
    assert (sent & judged.worst).sum() / judged.worst.sum() > 2.5 * share


def test_the_worst_tenth_is_a_tenth_and_the_worst() -> None:
    judged, _ = seen()
    assert judged.worst.sum() == 100
    assert judged.cider[judged.worst].max() <= judged.cider[~judged.worst].min()
    assert caught_by(judged.cider, judged.worst, 0.1) == 1
    assert caught_by(-judged.cider, judged.worst, 0.4) == 0


def _with(
    pair: tuple[list[dict[str, float]], np.ndarray], names: list[str]
) -> tuple[list[dict[str, float]], list[str], np.ndarray]:
    evidence, right = pair
    return evidence, names, right
