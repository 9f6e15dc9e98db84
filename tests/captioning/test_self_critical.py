"""The reward and the baseline of self-critical training."""

import pytest
from pycocoevalcap.cider.cider import Cider

from captioning.training.config import FinetuneConfig
from captioning.training.self_critical import CiderD, advantages, words_of
from core.errors import InvalidInput

REFERENCES = [
    ["a dog runs on the beach", "the brown dog is running along a beach"],
    ["two children play with a red ball", "kids with a ball", "a red ball and two children"],
    ["a man climbs a rock", "a climber on a steep rock face"],
    ["a dog jumps over a rock in the water"],
]
GUESSES = [
    "a dog runs along the beach",
    "two dogs play with a ball",
    "a man climbs a steep rock face",
    "water",
]


def test_single_captions_score_what_the_reference_scorer_gives_them() -> None:
    _, wanted = Cider().compute_score(
        dict(enumerate(REFERENCES)), {n: [text] for n, text in enumerate(GUESSES)}
    )
    reward = CiderD(REFERENCES)
    assert [reward.score(n, text) for n, text in enumerate(GUESSES)] == pytest.approx(list(wanted))


def test_a_broken_off_sentence_is_worth_less_than_an_ended_one() -> None:
    reward = CiderD([[words_of(text) for text in texts] for texts in REFERENCES])
    whole, broken = (
        reward.score(0, words_of("A dog runs on the beach.", ended=ended)) for ended in (True, False)
    )
    assert broken < whole


def test_a_sample_is_measured_by_the_others_of_its_picture() -> None:
    assert advantages([1.0, 0.5, 0.0]) == pytest.approx([0.75, 0.0, -0.75])
    assert advantages([0.7]) == [0.0]
    assert sum(advantages([0.3, 0.9, 0.2, 0.4])) == pytest.approx(0.0)


def test_an_unknown_objective_is_named_with_the_known_ones() -> None:
    with pytest.raises(InvalidInput, match="cross_entropy, cider"):
        FinetuneConfig().with_overrides(["objective=bleu"])
