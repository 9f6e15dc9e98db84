"""The automatic screen, of plain values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioning.captioners.confidence import Logistic
from captioning.screening import Thresholds, doubts, priority

THRESHOLDS = Thresholds(min_confidence=0.5, min_match=0.2, min_words=3, max_words=8)
FINE = "A dog runs on the beach."


@pytest.mark.parametrize(
    ("text", "confidence", "match", "found"),
    [
        (FINE, 0.5, 0.2, ()),
        (FINE, 0.499, 0.2, ("confidence",)),
        (FINE, 0.5, 0.199, ("match",)),
        (FINE, None, None, ()),
        ("A dog a dog runs.", 0.9, 0.9, ("repetition",)),
        ("A very, VERY big dog.", 0.9, 0.9, ("repetition",)),
        ("A dog.", 0.9, 0.9, ("length",)),
        ("", 0.9, 0.9, ("length",)),
        ("One two three four five six seven eight nine.", 0.9, 0.9, ("length",)),
        ("A naked man runs.", 0.9, 0.9, ("words",)),
        ("A fag", 0.1, 0.1, ("confidence", "match", "length", "words")),
    ],
)
def test_each_doubt_is_named(
    text: str, confidence: float | None, match: float | None, found: tuple[str, ...]
) -> None:
    assert doubts(text, confidence, match, THRESHOLDS) == found


@pytest.mark.parametrize(
    "text",
    [
        "A man in a red shirt and a man in a blue shirt.",
        "Two dogs and two cats play.",
        "The girl's dog and the boy's dog.",
    ],
)
def test_words_that_come_again_as_people_say_them_are_no_repetition(text: str) -> None:
    assert doubts(text, 1, 1, Thresholds()) == ()


def test_a_long_run_that_comes_again_is_one_however_far_behind() -> None:
    text = "A man in a red shirt sits while a man in a red shirt stands."
    assert doubts(text, 1, 1, Thresholds()) == ("repetition",)


@pytest.mark.parametrize(
    "text", ["ＮＵＤＥ people on a beach", "Nude, people on a beach", "two NUDE\npeople"]
)
def test_unsafe_words_are_known_in_every_dress(text: str) -> None:
    assert "words" in doubts(text, 1, 1, Thresholds())


@pytest.mark.parametrize(
    "text",
    ["A raccoon on a fence", "A skilled cyclist jumps", "Denuded trees stand", "A boy from Essex runs"],
)
def test_unsafe_letters_inside_other_words_are_not_unsafe(text: str) -> None:
    assert doubts(text, 1, 1, Thresholds()) == ()


@pytest.mark.parametrize(
    "text", ["Ein Hund läuft über die Straße", "Собака бежит по пляжу", "犬 が 浜辺 を 走る"]
)
def test_other_scripts_are_words_too(text: str) -> None:
    assert doubts(text, 1, 1, Thresholds()) == ()


@given(st.text(max_size=60), st.floats(0, 1), st.floats(-1, 1))
def test_stricter_thresholds_never_find_fewer_doubts(text: str, confidence: float, match: float) -> None:
    lax, strict = Thresholds(0.2, 0.1, 2, 12), Thresholds(0.6, 0.3, 4, 8)
    assert set(doubts(text, confidence, match, lax)) <= set(doubts(text, confidence, match, strict))


WRONG = Logistic(1.0, {"confidence": -3.0, "match": -2.0})


@given(st.floats(0, 1), st.floats(-1, 1), st.floats(0, 1))
def test_the_less_likely_right_comes_first_and_unsafe_words_before_all(
    confidence: float, match: float, more: float
) -> None:
    here = priority((), confidence, match, WRONG)
    assert 0 <= here <= 1
    assert priority((), min(1, confidence + more), match, WRONG) <= here
    assert priority((), confidence, match + more, WRONG) <= here
    assert priority(("words",), confidence, match, WRONG) == 1 > here


def test_without_a_fit_or_a_match_the_confidence_tells() -> None:
    assert priority((), 0.3, 0.9) == pytest.approx(0.7)
    assert priority((), 0.3, None, WRONG) == pytest.approx(0.7)
    assert priority((), None, 0.9, WRONG) == 0.5
