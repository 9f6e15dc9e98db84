"""Suggestions while typing: what is suggested finds something, and tells nobody what they may not see."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client

from library import asset_store
from library.models import Asset
from library.selectors import Viewer
from search import suggesting
from search.models import SuggestedWords, Suggestion
from search.services import index_frames, search_text
from search.suggestions import completions
from tests.search.photos import photo

pytestmark = pytest.mark.django_db


def suggested(viewer: Viewer, typed: str, **asked: int) -> list[str]:
    return [one.query for one in completions(viewer, typed, **asked)]


def test_the_commonest_words_and_tags_come_first(alice: User) -> None:
    for _ in range(2):
        photo(alice, "a dog at the door")
    photo(alice, "a door and a donkey", tags=["Dolls"])
    assert suggested(alice, "do") == ["door", "dog", "tag:dolls", "donkey"]
    assert suggested(alice, "DO", limit=2) == ["door", "dog"]
    assert suggested(alice, "dog") == ["dog"]
    assert suggested(alice, "x") == suggested(alice, "") == suggested(alice, "dog ") == []


def test_the_last_word_is_completed_beside_those_before_it(alice: User) -> None:
    photo(alice, "a black dog")
    photo(alice, "a white door")
    assert suggested(alice, "the White do") == ["the White door"]
    assert suggested(alice, "zebra do") == ["zebra dog", "zebra door"]
    assert suggested(alice, "white -do") == ["white -dog", "white -door"]


def test_operators_are_completed(alice: User) -> None:
    photo(alice, "a dog", tags=["the Sea", "doors"])
    assert suggested(alice, "dog tag:") == ["dog tag:doors", 'dog tag:"the sea"']
    assert suggested(alice, "-tag:do") == ["-tag:doors"]
    assert suggested(alice, "text:d") == ["text:dog"]
    assert suggested(alice, "is:p") == ["is:public", "is:private"]
    assert suggested(alice, "type:p") == ["type:photo", "type:picture", "type:png"]
    assert suggested(alice, "by:a") == suggested(alice, "colr:d") == suggested(alice, '"black d') == []


def test_every_suggestion_finds_a_photo(alice: User) -> None:
    photo(
        alice,
        "a caf\u00e9 in the snow",
        tags=["It's 5\" wide", "na\u00efve", "a, b".replace(",", ""), "\u732b"],
    )
    for start in ("c", "s", "i", "n", "a", "\u732b", "caf\u00c9"):
        for query in suggested(alice, start):
            assert search_text(alice, query).matches, query
    assert suggested(alice, "CAF\u00c9") == ["cafe"]


def test_nobody_learns_words_of_photos_that_they_may_not_see(alice: User, bob: User) -> None:
    asset = photo(alice, "a secret donkey", visibility="private", tags=["donkeys"])
    photo(alice, "a dog")
    for viewer in (bob, None):
        assert suggested(viewer, "do") == ["dog"]
        assert suggested(viewer, "tag:") == suggested(viewer, "secret do")[1:] == []
    assert suggested(alice, "do") == ["dog", "donkey", "tag:donkeys"]
    asset_store.update_asset(asset, visibility="public")
    index_frames([asset.frames.get().pk])
    assert suggested(bob, "do") == ["dog", "donkey", "tag:donkeys"]
    # Not counted again yet, and nobody learns it all the same.
    asset_store.update_asset(asset, visibility="private")
    assert suggested(bob, "do") == ["dog"]


def test_what_is_deleted_or_reworded_is_suggested_no_longer(alice: User) -> None:
    asset, other = photo(alice, "a donkey", tags=["doors"]), photo(alice, "a dolphin")
    Asset.objects.filter(pk=other.pk).delete()
    asset_store.update_asset(asset, tags=["dogs"])
    index_frames([asset.frames.get().pk])
    assert suggested(alice, "do") == ["tag:dogs", "donkey"]


def test_counting_twice_counts_once_and_the_nightly_count_agrees(alice: User) -> None:
    photos = [photo(alice, "a dog", tags=["sea"]) for _ in range(3)]
    index_frames([asset.frames.get().pk for asset in photos])

    def counts() -> dict[tuple[str, str], int]:
        counted = Suggestion.objects.filter(count__gt=0).exclude(kind=Suggestion.Kind.OTHER)
        return {(one.kind, one.text): one.count for one in counted}

    assert counts() == {("word", "dog"): 3, ("tag", "sea"): 3}
    photos[0].delete()
    suggesting.recount()
    assert counts() == {("word", "dog"): 2, ("tag", "sea"): 2}
    SuggestedWords.objects.all().delete()
    call_command("count_suggestions", verbosity=0)
    assert counts() == {("word", "dog"): 2, ("tag", "sea"): 2}
    Asset.objects.all().delete()
    assert suggesting.recount() == 0
    assert not Suggestion.objects.exists()


def test_over_http(client: Client, alice: User) -> None:
    photo(alice, "a black dog")
    answer: Any = client.get("/api/v1/suggest", {"q": "black do"})
    assert answer.json() == {"suggestions": [{"query": "black dog", "text": "dog", "kind": "word"}]}
    for typed in ("", "x" * 5000, "🎉", "%", "' OR 1=1 --", "<b>", "\ufffd"):
        assert client.get("/api/v1/suggest", {"q": typed}).status_code == 200, typed
    assert client.get("/api/v1/suggest", {"q": "a\x00"}).status_code == 400
    assert client.get("/api/v1/suggest?q=a&limit=0").status_code == 400


def test_suggesting_costs_few_queries(alice: User, django_assert_max_num_queries: Any) -> None:
    for number in range(10):
        photo(alice, f"a dog{number}")
    with django_assert_max_num_queries(4):
        assert len(suggested(alice, "d")) == 8
