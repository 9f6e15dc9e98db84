"""Misspelt words: what they are read as, when they are left alone, and what nobody learns by them."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client

from library import asset_store
from library.models import Asset
from library.selectors import Viewer
from search import encoding
from search.active import active_embedders
from search.language import parse
from search.models import SuggestedWords, Suggestion
from search.services import index_frames, search_text
from search.spelling import corrected, forgiven
from tests.search.photos import many, photo

pytestmark = pytest.mark.django_db


def read(viewer: Viewer, typed: str, *known: str) -> str:
    return corrected(viewer, typed, parse(typed), lambda words: set(words) & set(known))


def test_a_word_that_no_photo_holds_is_read_as_the_nearest_one(alice: User) -> None:
    photo(
        alice,
        "a boy with a skateboard on the beach",
        tags=["Lisbon"],
        description="An extraordinary afternoon",
    )
    assert read(alice, "a bech") == "a beach"
    assert read(None, "Skatebord, beahc!") == "skateboard, beach!"
    assert read(alice, "lisbn") == "lisbon"
    assert read(alice, "extrordinery") == "extraordinary"
    assert read(alice, "a boy on the beaches") == "a boy on the beaches"
    assert read(alice, "submarine") == "submarine"


def test_short_words_long_ones_and_words_of_other_scripts_are_forgiven_differently() -> None:
    typed = (
        "cat",
        "bech",
        "skatbrd",
        "skatebrd",
        "\u043a\u043e\u0448\u043a\u0430",
        "caf3s",
        "2024",
        "\u732b",
        "\uace0\uc591\uc774\ub294",
    )
    assert [forgiven(word) for word in typed] == [0, 1, 1, 2, 1, 0, 0, 0, 0]


def test_letters_that_changed_places_are_one_edit(alice: User) -> None:
    photo(alice, "a horse at a fence")
    assert read(alice, "hosre") == "horse"
    assert read(alice, "ohrse") == "horse"
    assert read(alice, "hoser") == "hoser"


def test_among_the_nearest_the_first_letter_and_then_the_commonest_win(alice: User) -> None:
    many(alice, 3, "a bench")
    photo(alice, "a beach")
    assert read(alice, "bech") == "bench"
    many(alice, 5, "a beach")
    assert read(alice, "bech") == "beach"
    many(alice, 9, "to learn")
    photo(alice, "three bears")
    assert read(alice, "bearn") == "bears"


def test_what_is_quoted_left_out_or_an_operators_value_is_not_corrected(alice: User) -> None:
    photo(alice, "a beach")
    for typed in ('"bech"', "-bech", "tag:bech", "by:bech", "text:bech", '"on the bech"'):
        assert read(alice, typed) == typed
    assert read(alice, 'bech "bech" tag:bech bech') == 'beach "bech" tag:bech beach'


def test_a_correction_never_makes_an_operator(alice: User) -> None:
    photo(alice, "a line of text")
    assert read(alice, "texxt: line") == "texxt: line"
    assert search_text(alice, "texxt: line").matches


def test_many_unknown_words_are_no_slips_and_a_query_never_grows_too_long(alice: User) -> None:
    photo(alice, "a beach with horses, lighthouses, an umbrella and children")
    assert read(alice, "beahc horsse lighthuose umbrela") == "beach horses lighthouses umbrella"
    many_slips = "beahc horsse lighthuose umbrela childrn"
    assert read(alice, many_slips) == many_slips
    long = "bech " + "x" * 995
    assert search_text(alice, long).corrected == ""


def test_chinese_beside_a_misspelt_word_stays_as_it_is(alice: User) -> None:
    photo(alice, "a beach", title="\u6d77\u6ee9")
    assert read(alice, "\u6c99\u6ee9 bech \u72d7") == "\u6c99\u6ee9 beach \u72d7"
    assert read(alice, "\u6d77\u7058\u7684\u72d7\u5728\u8dd1") == "\u6d77\u7058\u7684\u72d7\u5728\u8dd1"


def test_the_beginning_of_a_last_word_is_no_mistake(alice: User) -> None:
    photo(alice, "a skateboard and a state")
    assert read(alice, "a skate") == "a skate"
    assert read(alice, "skate xyz") == "state xyz"


def test_a_word_that_the_encoder_knows_is_no_mistake(alice: User) -> None:
    photo(alice, "a beach")
    assert read(alice, "beech bech", "beech") == "beech beach"


def test_an_embedder_says_which_words_it_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    models = active_embedders()
    assert encoding.known_words(["beech"], models) == set()
    monkeypatch.setattr(
        type(encoding.embedder("caption")), "knows", lambda self, word: word == "beech", raising=False
    )
    assert encoding.known_words(["beech", "bech"], models) == {"beech"}


def test_nobody_learns_words_of_photos_that_they_may_not_see(alice: User, bob: User) -> None:
    secret = photo(alice, "a submarine", visibility="private", title="Operation Kingfisher")
    photo(alice, "a dog")
    for viewer in (bob, None):
        assert read(viewer, "submarin kingfishr") == "submarin kingfishr"
    assert read(alice, "submarin kingfishr") == "submarin kingfisher"
    # Public from the next indexing on, and private again from this moment, whatever was counted.
    asset_store.update_asset(secret, visibility="public")
    index_frames([secret.frames.get().pk])
    assert read(bob, "kingfishr") == "kingfisher"
    asset_store.update_asset(secret, visibility="private")
    assert read(bob, "kingfishr") == "kingfishr"


def test_a_word_of_a_private_photo_is_a_mistake_to_everybody_else(alice: User, bob: User) -> None:
    photo(alice, "a bech", visibility="private")
    photo(alice, "a beach")
    assert read(alice, "bech") == "bech"
    assert read(bob, "bech") == "beach"


def test_the_nightly_count_brings_words_of_a_library_that_is_older_than_spelling(alice: User) -> None:
    asset = photo(alice, "a dog", title="Lisbon")
    SuggestedWords.objects.update(others="")
    Suggestion.objects.filter(kind=Suggestion.Kind.OTHER).delete()
    assert read(alice, "lisbn") == "lisbn"
    call_command("count_suggestions", verbosity=0)
    assert read(alice, "lisbn") == "lisbon"
    Asset.objects.filter(pk=asset.pk).delete()
    assert read(alice, "lisbn") == "lisbn"


def test_a_misspelt_search_finds_what_was_meant_and_says_so(alice: User) -> None:
    beach = photo(alice, "a beach", looks="red")
    photo(alice, "a dog", looks="blue")
    page = search_text(alice, "a bech")
    assert (page.corrected, page.matches[0].asset_id) == ("a beach", beach.pk)
    assert "keyword" in page.matches[0].why
    assert [term.word for term in page.terms] == ["beach"]
    exact = search_text(alice, "a bech", exact=True)
    assert exact.corrected == ""
    assert all("keyword" not in match.why for match in exact.matches)
    assert search_text(alice, "a beach").corrected == ""


def test_pages_go_on_though_the_library_learns_the_word_meanwhile(alice: User) -> None:
    many(alice, 3, "a beach")
    first = search_text(alice, "bech", limit=2)
    photo(alice, "a bech")
    assert search_text(alice, "bech", limit=2, cursor=first.next).matches


def test_over_http(client: Client, alice: User) -> None:
    photo(alice, "a beach")
    answer: Any = client.get("/api/v1/search", {"q": "bech"}).json()
    assert answer["corrected"] == "beach"
    assert client.get("/api/v1/search", {"q": "bech", "exact": "true"}).json()["corrected"] is None
    assert client.get("/api/v1/search", {"q": "beach"}).json()["corrected"] is None


def test_on_the_page(client: Client, alice: User) -> None:
    photo(alice, "a beach")
    shown = client.get("/", {"q": "bech <b>", "sort": "date"}).content.decode()
    assert "Showing results for" in shown
    assert ">beach &lt;b&gt;</a>" in shown
    assert 'href="/?q=bech+%3Cb%3E&amp;sort=date&amp;exact=1">Search instead for bech &lt;b&gt;</a>' in shown
    assert "Showing results for" not in client.get("/", {"q": "bech", "exact": "1"}).content.decode()


def test_correcting_costs_few_queries(alice: User, django_assert_max_num_queries: Any) -> None:
    photo(alice, "a beach and a horse")
    with django_assert_max_num_queries(2):
        read(alice, "a beach and a horse")
    with django_assert_max_num_queries(8):
        assert read(alice, "a bech and a hores") == "a beach and a horse"
