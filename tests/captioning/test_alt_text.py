"""Alternative text: at most 125 characters, and never half a word."""

import random

import pytest

from captioning.alt_text import MAX_CHARS, alt_text

LONG = (
    "A man in a yellow jacket and a helmet rides a red bicycle along a narrow path through the forest, while a small "
    "brown dog runs behind him and a woman looks on from the other side of the river"
)


@pytest.mark.parametrize(
    "caption",
    ["", "A dog runs.", "A" * MAX_CHARS, " A  dog\nruns. "],
    ids=["empty", "short", "full", "spaced"],
)
def test_what_fits_stays_as_it_is(caption: str) -> None:
    assert alt_text(caption) == " ".join(caption.split())


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        (
            LONG,
            "A man in a yellow jacket and a helmet rides a red bicycle along a narrow path through the forest…",
        ),
        ("A dog runs. " + LONG, "A dog runs."),
        ("word " * 40, "word " * 24 + "word…"),
        ("x" * 126, ""),
    ],
    ids=["pause", "sentence", "words", "one endless word"],
)
def test_what_does_not_fit_ends_where_a_reader_would_pause(caption: str, expected: str) -> None:
    assert alt_text(caption) == expected


def test_it_does_not_end_in_a_word_that_announces_another() -> None:
    assert alt_text("a boat " * 16 + "lies in the very long harbour") == "a boat " * 16 + "lies…"


def test_any_text_is_cut_between_its_own_words() -> None:
    chance = random.Random(1)
    for _ in range(500):
        words = ["".join(chance.choices("abcdeé,.", k=chance.randint(1, 14))) for _ in range(40)]
        short = alt_text(" ".join(words))
        assert len(short) <= MAX_CHARS
        kept = short.rstrip("…").split()
        assert [word.rstrip(",") for word in words[: len(kept)]] == [word.rstrip(",") for word in kept]
