"""The unsafe-content score: written when a frame is described, and what lists and searches make of it."""

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core.management import CommandError, call_command
from django.test import Client

from captioning.models import UnsafeScore
from captioning.unsafe import Scored, frames_without_unsafe_score, record_unsafe
from library import storage
from library.models import Asset
from library.selectors import listed_assets, offered_to_all, visible_assets
from recommender.models import Site
from recommender.site_selectors import assets_shown_by
from search.services import facets, search_text
from tests.fakes import FakeUnsafeScorer
from tests.workers.conftest import MakeAssets
from tests.workers.words import run_stages

GLARING = FakeUnsafeScorer.glaring


@pytest.fixture
def bob(db: None) -> User:
    return User.objects.create_user("bob")


@pytest.fixture
def public(make_assets: MakeAssets) -> Callable[..., list[Asset]]:
    def make(*colours: Any) -> list[Asset]:
        made = make_assets(*colours)
        Asset.objects.filter(pk__in=[asset.pk for asset in made]).update(visibility="public")
        return made

    return make


@pytest.mark.django_db(transaction=True)
class TestScores:
    def test_describing_scores_each_frame_and_its_asset_and_changes_nothing_else(self, public: Any) -> None:
        bad, good = public(GLARING, "red")
        before = Asset.objects.get(pk=bad.pk).updated_at
        run_stages()
        assert dict(UnsafeScore.objects.values_list("frame__asset_id", "score")) == {
            bad.pk: 0.95,
            good.pk: 0.01,
        }
        assert set(UnsafeScore.objects.values_list("model_id", flat=True)) == {"fake-scorer"}
        bad.refresh_from_db()
        assert (bad.unsafe_score, bad.updated_at) == (0.95, before)

    def test_another_models_score_takes_the_place(self, public: Any) -> None:
        (asset,) = public(GLARING)
        run_stages()
        frame = asset.frames.get()
        record_unsafe([frame.pk], Scored("other", [0.2]))
        assert list(UnsafeScore.objects.values_list("model_id", "score")) == [("other", 0.2)]
        assert Asset.objects.get().unsafe_score == 0.2
        assert list(frames_without_unsafe_score()) == [frame]

    def test_an_asset_is_as_unsafe_as_its_worst_frame(self, public: Any) -> None:
        (asset,) = public("red")
        first = asset.frames.create(number=0)
        second = asset.frames.create(number=1)
        record_unsafe([first.pk, second.pk], Scored("one", [0.9, 0.1]))
        record_unsafe([second.pk], Scored("one", [0.3]))
        assert Asset.objects.get().unsafe_score == 0.9

    def test_without_a_scorer_photos_are_described_and_not_scored(self, public: Any, settings: Any) -> None:
        settings.UNSAFE_SCORER = ""
        (asset,) = public(GLARING)
        run_stages()
        assert Asset.objects.get().unsafe_score is None
        assert [match.asset_id for match in search_text(None, "picture").matches] == [asset.pk]
        assert not frames_without_unsafe_score().exists()
        with pytest.raises(CommandError, match="UNSAFE_SCORER is empty"):
            call_command("score_unsafe")

    def test_a_command_scores_what_was_described_before(self, public: Any) -> None:
        bad, gone = public(GLARING, "blue")
        run_stages()
        UnsafeScore.objects.all().delete()
        Asset.objects.update(unsafe_score=None)
        storage.remove_content(gone.sha256)
        out = StringIO()
        call_command("score_unsafe", verbosity=0, stdout=out)
        assert "1 photos scored, 1 could not be read." in out.getvalue()
        assert Asset.objects.get(pk=bad.pk).unsafe_score == 0.95


@pytest.mark.django_db(transaction=True)
class TestHiding:
    def test_lists_and_searches_offer_it_to_its_owner_alone(
        self,
        public: Any,
        alice: User,
        bob: User,
        client: Client,
    ) -> None:
        bad, good = public(GLARING, "red")
        run_stages()
        for stranger in (bob, AnonymousUser(), None):
            assert [one.pk for one in listed_assets(stranger)] == [good.pk]
            assert [match.asset_id for match in search_text(stranger, "picture").matches] == [good.pk]
            assert search_text(stranger, "is:unsafe").matches == []
            assert sum(choice.count for choice in facets(stranger)["type"]) == 1
            assert visible_assets(stranger).filter(pk=bad.pk).exists(), "who has its address sees it"
        assert {match.asset_id for match in search_text(alice, "picture").matches} == {bad.pk, good.pk}
        assert [match.asset_id for match in search_text(alice, "is:unsafe").matches] == [bad.pk]
        assert [one["id"] for one in client.get("/api/v1/assets").json()["results"]] == [good.pk]
        related = client.get(f"/api/v1/assets/{good.pk}/related").json()
        assert bad.pk not in [one.get("id") for one in related["results"]]
        assert [one.pk for one in offered_to_all()] == [good.pk]

    def test_no_site_shows_it_not_even_its_owners(self, public: Any, alice: User) -> None:
        _, good = public(GLARING, "red")
        run_stages()
        for shows in (Site.Assets.PUBLIC, Site.Assets.OWN):
            assert [one.pk for one in assets_shown_by(Site(owner=alice, shows_assets=shows))] == [good.pk]

    def test_its_owner_is_told(self, public: Any, alice: User, client: Client) -> None:
        bad, good = public(GLARING, "red")
        run_stages()
        client.force_login(alice)
        told = client.get(f"/api/v1/assets/{bad.pk}").json()
        assert (told["unsafe_score"], told["hidden"]) == (0.95, True)
        assert client.get(f"/api/v1/assets/{good.pk}").json()["hidden"] is False
        assert "left out of others’ searches" in client.get(f"/assets/{bad.pk}/").content.decode()
        assert "left out of others’ searches" not in client.get(f"/assets/{good.pk}/").content.decode()

    def test_settings_show_it_and_move_the_border(self, public: Any, bob: User, settings: Any) -> None:
        bad, _ = public(GLARING, "red")
        run_stages()
        settings.UNSAFE_MIN_SCORE = 0.96
        assert bad in listed_assets(bob)
        settings.UNSAFE_MIN_SCORE = 0.95
        assert bad not in listed_assets(bob)
        settings.UNSAFE_PHOTOS = "show"
        assert bad in listed_assets(bob)
        assert [match.asset_id for match in search_text(bob, "is:unsafe").matches] == [bad.pk]
