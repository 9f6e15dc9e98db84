"""Why a photo was found: the words that matched, where they stand, the same on both databases."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from search.highlights import Piece, pieces, spans
from search.keywords import Term, matched_words
from tests.search.photos import photo


@pytest.mark.parametrize(
    ("text", "words", "expected"),
    [
        ("Two dogs run", {"dogs"}, ["dogs"]),
        ("Caf\u00e9, CAFE\u0301 and cafes", {"cafe"}, ["Caf\u00e9", "CAFE\u0301"]),
        ("The dog's t-shirt", {"dog", "shirt"}, ["dog", "shirt"]),
        ("\u9ed1\u732b cat", {"\u732b"}, ["\u732b"]),
        ("snake_case words", {"case"}, ["snake_case"]),
        ("nothing here", set(), []),
        ("", {"x"}, []),
    ],
)
def test_places_of_words(text: str, words: set[str], expected: list[str]) -> None:
    assert [text[start:end] for start, end in spans(text, words)] == expected
    assert "".join(piece.text for piece in pieces(text, words)) == text


def test_pieces_are_plain_text_which_templates_escape() -> None:
    assert pieces("<b>dog</b>", {"dog"}) == (Piece("<b>"), Piece("dog", matched=True), Piece("</b>"))


@pytest.mark.django_db
def test_words_match_in_the_forms_in_which_they_stand(alice: User) -> None:
    asset = photo(alice, "two dogs running", title="Doggy", tags=["Run 24"], auto_tags=[("puppy", "whelp")])
    other = photo(alice, "a cat")
    terms = [Term("dog"), Term("runs"), Term("pup", prefix=True), Term("zebra")]
    assert matched_words([asset.pk, other.pk], terms) == {
        asset.pk: frozenset({"dogs", "running", "run", "puppy"})
    }
    assert matched_words([], terms) == matched_words([asset.pk], []) == {}


@pytest.mark.django_db
def test_over_http(client: Client, alice: User) -> None:
    photo(alice, "two red dogs on the mat", title="Dogs & <b>mats</b>")

    def told(query: str) -> Any:
        (result,) = client.get("/api/v1/search", {"q": query}).json()["results"]
        return result["matched_words"], result["highlights"]

    assert told("dog mat") == (
        ["dogs", "mat", "mats"],
        {"caption": [[8, 12], [20, 23]], "title": [[0, 4], [10, 14]]},
    )
    assert told('"red dogs"')[1]["caption"] == [[4, 7], [8, 12]]
    assert told("text:mat")[0] == ["mat", "mats"]
    assert told("zebra") == ([], {})
