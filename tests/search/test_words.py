"""Texts become the same words in documents and queries."""

import pytest

from search.keywords.words import MAX_QUERY_WORDS, STOP_WORDS, normalised, query_words, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Two Dogs, running!", ["two", "dogs", "running"]),
        ("Caf\u00e9 \u00c5ngstr\u00f6m na\u00efve", ["cafe", "angstrom", "naive"]),
        ("the dog's bowl, the dogs' bowls", ["the", "dog", "bowl", "the", "dogs", "bowls"]),
        ("man-eating_shark/2024", ["man", "eating", "shark", "2024"]),
        ("D\u0131yarbak\u0131r \u0130zmir", ["diyarbakir", "izmir"]),
        ("Stra\u00dfe \uff21\uff22\uff23 \ufb01sh", ["strasse", "abc", "fish"]),
        ("\u732b\u3068\u72ac cat", ["\u732b", "\u3068", "\u72ac", "cat"]),
        (
            "\u0440\u044b\u0436\u0438\u0439 \u043a\u043e\u0442",
            ["\u0440\u044b\u0436\u0438\u0438", "\u043a\u043e\u0442"],
        ),
        ("\u0939\u093f\u0928\u094d\u0926\u0940", ["\u0939\u093f\u0928\u094d\u0926\u0940"]),
        ("\ud55c\uad6d\uc5b4 \uace0\uc591\uc774", ["\ud55c\uad6d\uc5b4", "\uace0\uc591\uc774"]),
        ("  ?! \u2014 \u200b ", []),
        ("", []),
    ],
)
def test_words_of_a_text(text: str, words: list[str]) -> None:
    assert words_of(text) == words


def test_a_document_is_its_words_between_spaces() -> None:
    assert (
        normalised(["Great white shark", "", "man-eater, Carcharodon"])
        == "great white shark man eater carcharodon"
    )


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("a cup of coffee", ["cup", "coffee"]),
        ("A photo of the dog's dog", ["dog"]),
        ("show me pictures of cats", ["cats"]),
        ("Find images with a red car", ["red", "car"]),
        ("a picture on a wall", ["picture", "wall"]),
        ("picture of", ["picture"]),
        ("The Who", []),
        ("to be or not to be", []),
        ("???", []),
    ],
)
def test_words_of_a_query(query: str, words: list[str]) -> None:
    assert query_words(query) == words


def test_a_pasted_page_does_not_become_a_hundred_look_ups() -> None:
    assert len(query_words(" ".join(f"word{number}" for number in range(200)))) == MAX_QUERY_WORDS


def test_stop_words_are_words_as_texts_give_them() -> None:
    assert all(words_of(word) == [word] for word in STOP_WORDS)
