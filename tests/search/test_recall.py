import numpy as np
import pytest

from search.training.recall import figures_of, mean_recall, ranks_of, recall_at


def test_recall_counts_queries_whose_image_is_among_the_first() -> None:
    scores = np.array([[0.9, 0.1, 0.0], [0.5, 0.4, 0.3], [0.5, 0.4, 0.3]], dtype=np.float32)
    owners = np.array([0, 1, 2])
    assert ranks_of(scores, owners).tolist() == [0, 1, 2]
    figures = recall_at(scores, owners)
    assert figures["r1"] == pytest.approx(1 / 3)
    assert figures["r5"] == 1.0
    assert figures["mrr"] == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)


def test_ties_count_against_us() -> None:
    scores = np.zeros((1, 4), dtype=np.float32)
    assert ranks_of(scores, np.array([0])).tolist() == [3]


def test_an_image_that_was_not_found_counts_as_missed() -> None:
    assert figures_of(np.array([0, 1000]))["r10"] == 0.5


def test_no_figures_yet_is_worse_than_any() -> None:
    assert mean_recall({}) < mean_recall({"r1": 0.0, "r5": 0.0, "r10": 0.0})
