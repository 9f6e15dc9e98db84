"""Likeness out of several signals, and words in common."""

import numpy as np
import pytest

from recommender.scoring import blend
from recommender.scoring.blend import Measure
from recommender.scoring.diversity import diversified
from recommender.scoring.words import in_common, stems

TWO = {"look": Measure(1.0, 0.5, 0.1), "text": Measure(0.5, 0.2, 0.2)}


def row(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def test_a_score_is_the_weighted_sum_of_z_scores() -> None:
    scores = blend.blended({"look": row(0.6, 0.5), "text": row(0.2, 0.6)}, TWO)
    assert scores == pytest.approx([1.0, 1.0])


def test_a_score_does_not_depend_on_what_else_was_found() -> None:
    alone = blend.blended({"look": row(0.6), "text": row(0.3)}, TWO)
    among = blend.blended({"look": row(0.6, 0.1, 0.9), "text": row(0.3, 0.9, 0.0)}, TWO)
    assert alone[0] == pytest.approx(among[0])


def test_what_is_not_known_of_a_thing_counts_as_usual() -> None:
    worse, unknown, better = blend.blended({"look": row(0.4, np.nan, 0.6)}, TWO)
    assert worse < unknown == 0.0 < better


def test_each_signal_says_what_it_added() -> None:
    added = blend.worths({"look": row(0.7), "text": row(0.2)}, TWO)
    assert added["look"][0] == pytest.approx(2.0)
    assert added["text"][0] == pytest.approx(0.0)


def test_the_shipped_blend_measures_every_signal() -> None:
    assert set(blend.shipped()) == set(blend.SIGNALS)
    assert all(measure.weight > 0 and measure.spread > 0 for measure in blend.shipped().values())


def test_words_in_common_are_a_cosine_of_sets() -> None:
    asked = stems(["red", "shirts", "the", "dress"], {"the"})
    assert asked == {"red", "shirt", "dress"}
    shared = in_common(asked, [stems(["shirt", "red", "dress"]), stems(["shirt"]), stems(["sea"])])
    assert shared == pytest.approx([1.0, 1 / 3**0.5, 0.0])


def test_without_words_nothing_is_known_of_words_in_common() -> None:
    assert np.isnan(in_common(frozenset(), [frozenset({"red"})])).all()
    assert np.isnan(in_common(frozenset({"red"}), [frozenset()])).all()


class TestVariety:
    scores = row(1.0, 0.9, 0.5, 0.0)
    vectors = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], dtype=np.float32)

    def test_without_strength_the_order_of_scores_stands(self) -> None:
        assert diversified(self.scores, self.vectors, 4, 0.0) == [0, 1, 2, 3]

    def test_what_repeats_the_first_steps_back(self) -> None:
        assert diversified(self.scores, self.vectors, 2, 0.4) == [0, 2]

    def test_nobody_is_named_twice_and_nobody_is_missing(self) -> None:
        assert sorted(diversified(self.scores, self.vectors, 9, 1.0)) == [0, 1, 2, 3]
        assert diversified(row(), np.empty((0, 2), np.float32), 3, 0.5) == []
