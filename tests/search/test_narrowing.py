"""Searching within a narrow set: by its columns where these tell it, and nothing is listed then."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User

from library.models import Asset, AssetTag, Frame
from library.selectors import AssetFilters
from search import embeddings, keywords, pushdown
from search.active import active_models
from search.answering import allowed
from search.index.base import Allowed, Hits, Vectors
from search.index.faiss.engine import FaissIndex
from search.index.where import Comparison, Where
from search.keywords import matching, postgresql
from search.scope import Scope
from search.selectors import vectors_of_asset
from search.services import index_frames, rebuild_index, search_text
from tests.search.photos import many, on_all_pages, photo

pytestmark = pytest.mark.django_db


def list_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search.scope._LISTED_UP_TO", {"sqlite": 0, "postgresql": 0})
    monkeypatch.setattr("search.scope._TAGGED_UP_TO", {"sqlite": 0, "postgresql": 0})


def _at_most(hits: int, search: Callable[..., Hits]) -> Callable[..., Hits]:
    """An engine that has a most, as Milvus has."""

    def capped(self: FaissIndex, query: Vectors, k: int, allowed: Allowed) -> Hits:
        return search(self, query, min(k, hits), allowed)

    return capped


class TestNarrowing:
    """A photo of somebody's among many of others: nothing is listed for it where columns tell."""

    def test_pages_reach_everything_once(self, alice: User, bob: User) -> None:
        own = [photo(bob, "a red picture") for _ in range(7)]
        two = own[3]
        for number in (1, 2):
            frame = Frame.objects.create(asset=two, number=number)
            for space, vector in vectors_of_asset(two, active_models()).items():
                embeddings.record(space, active_models()[space], [frame.pk], vector[None])
            index_frames([frame.pk])
        many(alice, 300, "a red picture")
        rebuild_index()
        assert sorted(on_all_pages(bob, "red picture by:me", limit=3)) == sorted(asset.pk for asset in own)

    @pytest.mark.parametrize(
        "query", ["red by:me", "red tag:sea", "red is:reviewed", "red by:me -tag:dog -word"]
    )
    def test_nothing_is_listed(
        self, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch, query: str
    ) -> None:
        many(alice, 150, "a red picture")
        own = photo(bob, "a red picture", tags=["Sea"])
        own.frames.get().captions.update(state="accepted")
        index_frames(own.frames.values_list("pk", flat=True))
        list_nothing(monkeypatch)
        monkeypatch.setattr("search.scope.Scope._everything", None)
        found = search_text(bob, query).matches
        assert [match.asset_id for match in found] == [own.pk]
        assert set(found[0].why) == {"image", "caption", "keyword"}

    @pytest.mark.parametrize("query", ["red by:me", "red after:1970"])
    def test_words_are_looked_for_within_them_alone(
        self, alice: User, monkeypatch: pytest.MonkeyPatch, query: str
    ) -> None:
        """While vectors are compared there is the time to, and what is found without is of no use where few fit."""
        own = photo(alice, "a red picture")
        monkeypatch.setattr("search.keywords.Question.begin_promising", None)
        assert [match.asset_id for match in search_text(alice, query).matches] == [own.pk]

    def test_words_that_very_many_hold_are_looked_for_within_columns(
        self, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(matching, "_LOOKED_THROUGH", 0)
        list_nothing(monkeypatch)
        own = [photo(bob, "a red picture"), photo(bob, "a red dog"), photo(bob, "a blue dog")]
        many(alice, 150, "a red dog")
        within = Where(((Comparison("owner", "==", bob.pk),),))
        found = keywords.ask(["red", "dog"]).promising_among(10, within)
        assert found[0][0] == own[1].pk
        assert {asset_id for asset_id, _ in found} == {asset.pk for asset in own}

    @pytest.mark.parametrize(
        "tag",
        [
            "Sea",
            "New York",
            "The Who",
            "The",
            "!!",
            "D\u0131YARBAKIR",
            "\u732b",
            "\u2776",
            "\u09f3",
            "\u09f3 tea",
        ],
    )
    def test_words_that_very_many_hold_are_looked_for_among_what_is_called_so(
        self, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch, tag: str
    ) -> None:
        monkeypatch.setattr(matching, "_LOOKED_THROUGH", 0)
        monkeypatch.setattr(postgresql, "_TOGETHER", 4)
        list_nothing(monkeypatch)
        called = [photo(bob, "a red dog", tags=[tag]), photo(bob, "a blue dog", tags=["beach", tag])]
        many(alice, 150, f"a red dog, {tag}")
        within = pushdown.where(bob, AssetFilters(tag=tag.upper()), ())
        assert within is not None
        found = keywords.ask(["red", "dog"]).promising_among(10, within)
        assert [asset_id for asset_id, _ in found] == [asset.pk for asset in called]

    def test_what_holds_two_of_three_words_comes_before_newer_ones_that_hold_one(
        self, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Also where very many hold two of them elsewhere."""
        monkeypatch.setattr(matching, "_LOOKED_THROUGH", 0)
        monkeypatch.setattr(postgresql, "_TOGETHER", 4)
        monkeypatch.setattr(postgresql, "_SAMPLED", 40)
        best = photo(bob, "beach dog")
        for owner, count, caption in (
            (bob, 10, "beach"),
            (alice, 70, "street"),
            (alice, 35, "dog"),
            (alice, 30, "beach dog"),
        ):
            many(owner, count, caption)
        within = Where(((Comparison("owner", "==", bob.pk),),))
        assert keywords.ask(["beach", "dog", "street"]).promising_among(3, within)[0][0] == best.pk

    def test_words_are_looked_for_in_what_was_called_so_a_moment_ago(self, alice: User, bob: User) -> None:
        """Where it is called so in few photos: these are listed, right from the commit on."""
        asset = photo(bob, "a red dog")
        many(alice, 150, "a red dog")
        AssetTag.objects.create(asset=asset, name="Sea")
        filters = AssetFilters(tag="Sea")
        scope = Scope(lambda: allowed(bob, filters, ()), lambda: pushdown.where(bob, filters, ()))
        found = keywords.ask(["red", "dog"]).promising_among(10, scope.narrowed_documents())
        assert [asset_id for asset_id, _ in found] == [asset.pk]

    def test_a_library_whose_index_has_no_columns_yet_is_listed(
        self, alice: User, bob: User, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("search.candidates._WIDEST", 100)
        monkeypatch.setattr("search.index.faiss.generations._columns", lambda folder, count: None)
        monkeypatch.setattr(FaissIndex, "search", _at_most(120, FaissIndex.search))
        own = photo(bob, "a dark picture")
        many(alice, 450, "a red picture")
        rebuild_index()
        assert [match.asset_id for match in search_text(bob, "red picture by:me").matches] == [own.pk]

    def test_what_columns_let_through_and_the_database_does_not_is_looked_beyond(
        self, alice: User, bob: User, settings: Any
    ) -> None:
        """Of very many that are hidden for what they are taken for."""
        settings.UNSAFE_PHOTOS = "hide"
        hidden = many(alice, 300, "a red picture")
        Asset.objects.filter(pk__in=[asset.pk for asset in hidden]).update(unsafe_score=1.0)
        shown = photo(alice, "a dark red picture")
        found = search_text(bob, "red picture by:alice").matches
        assert [match.asset_id for match in found] == [shown.pk]

    def test_what_leaves_out_nearly_all_that_columns_let_through_is_looked_beyond(
        self, alice: User, bob: User
    ) -> None:
        many(alice, 300, "a red picture")
        shown = photo(alice, "a red dog")
        photo(bob, "a red cat")
        found = search_text(bob, "red by:alice -picture").matches
        assert [match.asset_id for match in found] == [shown.pk]
