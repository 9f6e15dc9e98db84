"""Searching by text, as a person sees it."""

from collections.abc import Sequence
from threading import Event
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User

from core.errors import InvalidInput, ModelUnavailable
from library import asset_store
from library.selectors import AssetFilters
from search import services
from search.keywords import Question
from search.paging import FIRST_DEPTH
from search.services import index_frames, rebuild_index, search_text
from tests.fakes import FakeImageEmbedder
from tests.search.photos import describe, found, many, photo, stored

pytestmark = pytest.mark.django_db


def test_the_photo_that_fits_comes_first(alice: User) -> None:
    red, blue = photo(alice, "a red picture"), photo(alice, "a blue picture")
    assert found(alice, "red") == [red.pk, blue.pk]
    assert found(alice, "blue") == [blue.pk, red.pk]


def test_a_match_says_why(alice: User) -> None:
    photo(alice, "a red picture")
    (match,) = search_text(alice, "red").matches
    assert set(match.why) == {"image", "caption", "keyword"}
    assert match.score == pytest.approx(sum(match.why.values()), abs=1e-6)


def test_an_auto_tag_finds_what_the_caption_misses(alice: User) -> None:
    cat = photo(alice, "an animal on a sofa", auto_tags=[("tabby", "tabby cat")])
    others = [photo(alice, f"a dog on a lawn number {number}") for number in range(5)]
    assert found(alice, "a cat")[0] == cat.pk
    assert set(found(alice, "a cat")) == {cat.pk, *(other.pk for other in others)}


def test_a_cup_of_coffee(alice: User) -> None:
    coffee = photo(alice, "a table", auto_tags=[("cup", ""), ("coffee mug", ""), ("espresso", "")])
    for number in range(5):
        photo(alice, f"a person of {number} and a dog")
    assert found(alice, "a cup of coffee")[0] == coffee.pk
    assert set(search_text(alice, "a cup of coffee").matches[0].why) >= {"keyword"}


def test_words_in_common_are_not_needed(alice: User) -> None:
    """The image vector alone: the caption says nothing of the colour."""
    red = photo(alice, "something", looks="red")
    photo(alice, "anything", looks="blue")
    (first, _) = search_text(alice, "red").matches
    assert first.asset_id == red.pk
    assert set(first.why) == {"image"}


def test_title_description_and_tags_are_searched_but_file_names_are_not(alice: User) -> None:
    titled = photo(alice, "a red picture", title="Grandmother in Lisbon")
    tagged = photo(alice, "a red picture", tags=["holiday"])
    described = photo(alice, "a red picture", description="The day we moved house")
    named = photo(alice, "a red picture", original_name="giraffe.jpg")
    assert found(alice, "lisbon")[0] == titled.pk
    assert found(alice, "holidays")[0] == tagged.pk
    assert found(alice, "moving")[0] == described.pk
    assert all("keyword" not in match.why for match in search_text(alice, "giraffe").matches)
    assert named.pk in found(alice, "giraffe")


def test_words_are_looked_for_while_the_query_is_encoded(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    red = photo(alice, "a red picture")
    photo(alice, "a blue picture")
    encode, begin_promising = FakeImageEmbedder.embed_queries, Question.begin_promising
    looked_for = Event()

    def when_words_are_looked_for(self: FakeImageEmbedder, texts: Sequence[str]) -> Any:
        assert looked_for.wait(10)
        return encode(self, texts)

    def told(self: Question, limit: int) -> Any:
        looked_for.set()
        return begin_promising(self, limit)

    monkeypatch.setattr(FakeImageEmbedder, "embed_queries", when_words_are_looked_for)
    monkeypatch.setattr(Question, "begin_promising", told)
    assert found(alice, "red picture on its own")[0] == red.pk


class TestWhoSeesWhat:
    def test_a_private_photo_is_its_owners_alone(self, alice: User, bob: User) -> None:
        private = photo(alice, "a red picture", title="Secret plan", visibility="private")
        public = photo(alice, "a red picture")
        assert set(found(alice, "red secret")) == {private.pk, public.pk}
        for viewer in (bob, AnonymousUser(), None):
            assert found(viewer, "red secret") == [public.pk]

    def test_staff_see_no_more(self, alice: User, bob: User) -> None:
        photo(alice, "a red picture", visibility="private")
        bob.is_staff = bob.is_superuser = True
        bob.save()
        assert found(bob, "red") == []

    def test_hiding_and_deleting_hold_from_the_next_search_on(self, alice: User, bob: User) -> None:
        one, two = photo(alice, "a red picture"), photo(alice, "a red picture")
        assert set(found(bob, "red")) == {one.pk, two.pk}
        asset_store.update_asset(one, visibility="private")
        assert found(bob, "red") == [two.pk]
        two.delete()
        assert found(bob, "red") == []
        rebuild_index()
        assert found(bob, "red") == []
        assert found(alice, "red") == [one.pk]

    def test_a_few_own_photos_among_many_hidden_ones_are_all_found(self, alice: User, bob: User) -> None:
        """More hidden photos fit better than the first, wide look reaches."""
        many(alice, 2 * FIRST_DEPTH, "a red picture", visibility="private")
        mine = [photo(bob, "a green picture", visibility="private") for _ in range(3)]
        rebuild_index()
        assert set(found(bob, "red")) == {asset.pk for asset in mine}

    def test_filters_narrow(self, alice: User, bob: User) -> None:
        mine, theirs = photo(bob, "a red picture", tags=["Beach"]), photo(alice, "a red picture")
        assert found(bob, "red", filters=AssetFilters(mine=True)) == [mine.pk]
        assert found(bob, "red", filters=AssetFilters(mine=False)) == [theirs.pk]
        assert found(bob, "red", filters=AssetFilters(tag="beach")) == [mine.pk]
        assert found(bob, "red", filters=AssetFilters(tag="mountain")) == []
        assert found(None, "red", filters=AssetFilters(mine=True)) == []


class TestStages:
    def test_what_is_not_indexed_is_not_found(self, alice: User) -> None:
        asset = stored(alice, title="red thing")
        describe(asset, caption="a red picture")
        assert found(alice, "red") == []
        index_frames([asset.frames.get().pk])
        assert found(alice, "red") == [asset.pk]

    def test_indexing_twice_changes_nothing(self, alice: User) -> None:
        asset = photo(alice)
        before = search_text(alice, "red").matches
        assert index_frames([asset.frames.get().pk]) == 1
        assert search_text(alice, "red").matches == before

    def test_a_frame_that_is_gone_is_passed_over(self, alice: User) -> None:
        assert index_frames([12345]) == 0

    def test_a_photo_described_anew_is_found_by_its_new_description(self, alice: User) -> None:
        asset, other = photo(alice, "a red picture"), photo(alice, "a green picture")
        rebuild_index()
        describe(asset, caption="a blue picture")
        index_frames([asset.frames.get().pk])
        assert found(alice, "blue") == [asset.pk, other.pk]
        assert (
            "keyword" not in next(m for m in search_text(alice, "red").matches if m.asset_id == asset.pk).why
        )


class TestBadQuestions:
    @pytest.mark.parametrize("query", ["", "   ", "\u3000\n", "x" * 1001, "kitten" * 2000])
    def test_nothing_or_too_much(self, query: str) -> None:
        with pytest.raises(InvalidInput) as refused:
            search_text(None, query)
        assert refused.value.field == "q"

    @pytest.mark.parametrize(
        "query", ["cat\x00", "a\x07b", "\x1fcat", "two\nlines", "tab\tbed", "half \ud800"]
    )
    def test_control_characters(self, query: str) -> None:
        with pytest.raises(InvalidInput) as refused:
            search_text(None, query)
        assert refused.value.field == "q"

    @pytest.mark.parametrize("limit", [-1, 0, 101])
    def test_limits(self, limit: int) -> None:
        with pytest.raises(InvalidInput) as refused:
            search_text(None, "cat", limit=limit)
        assert refused.value.field == "limit"

    @pytest.mark.parametrize(
        "query",
        [
            "\u00bfqu\u00e9?",
            "???",
            'cat" OR (',
            "cat* NOT dog^2",
            "a:b & c | !d <-> e",
            "'; DROP TABLE x; --",
            "\\",
            "%s {}",
            "the",
        ],
    )
    def test_whatever_a_person_types_is_a_question(self, alice: User, query: str) -> None:
        asset = photo(alice, "a red picture")
        assert found(alice, query) == [asset.pk]

    def test_a_missing_model_is_said(self, alice: User, settings: Any) -> None:
        photo(alice)
        settings.EMBEDDERS = {**settings.EMBEDDERS, "caption": "tests.fakes.FakeImageEmbedder"}
        services.embedder.__globals__["_encoded"].cache_clear()
        with pytest.raises(ModelUnavailable):
            search_text(alice, "red")
