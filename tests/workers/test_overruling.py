"""A person's word beats the unsafe-content score: all that offers photos follows at once, whatever models say."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from captioning.unsafe import Scored, record_unsafe
from library.models import Asset
from library.safety import say, take_back
from recommender.models import Site
from recommender.site_selectors import assets_shown_by
from search.services import SearchPage, Term, facets, search_terms, search_text
from search.suggestions import completions
from tests.fakes import FakeUnsafeScorer
from tests.recommender.sites import secret, site
from tests.workers.conftest import MakeAssets
from tests.workers.words import run_stages
from workers import messages

pytestmark = pytest.mark.django_db(transaction=True)
GLARING = FakeUnsafeScorer.glaring


@pytest.fixture
def mo(db: None) -> User:
    return User.objects.create_superuser("mo")


@pytest.fixture
def described(make_assets: MakeAssets) -> Callable[..., list[Asset]]:
    def make(*colours: Any) -> list[Asset]:
        made = make_assets(*colours)
        Asset.objects.filter(pk__in=[asset.pk for asset in made]).update(visibility="public")
        run_stages()
        return made

    return make


@pytest.fixture
def shop(alice: User, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr(messages, "spent", lambda *_, **__: None)
    return site(alice)


def where_offered(asset: Asset, beside: Asset, shop: Site) -> dict[str, bool]:
    """Everything that offers photos to strangers, each asked whether this one is among them."""
    client, server = Client(), Client(headers=secret(shop))

    def answered(path: str, asker: Client = client, **asked: Any) -> list[dict[str, Any]]:
        results: list[dict[str, Any]] = asker.get(f"/api/v1/{path}", asked).json()["results"]
        return results

    related = answered(f"assets/{beside.pk}/related")
    made_for = answered("recommendations", server, asset=beside.pk, kind="asset")
    return {
        "list": asset.pk in [one["id"] for one in answered("assets")],
        "search": asset.pk in found(search_text(None, "picture")),
        "more like this": asset.pk in found(search_terms(None, [Term(like=beside.pk)])),
        "facets": sum(choice.count for choice in facets(None)["type"]) == 2,
        "suggestions": "purple" in [one.text for one in completions(None, "pur")],
        "related": asset.pk in [one["asset"]["id"] for one in related],
        "embed": asset in assets_shown_by(shop),
        "recommendations": asset.pk in [one["asset"] for one in made_for],
    }


def found(page: SearchPage) -> list[int]:
    return [match.asset_id for match in page.matches]


def test_everything_that_offers_photos_follows_at_once(described: Any, mo: User, shop: Site) -> None:
    asset, other = described(GLARING, "red")
    offered = where_offered(asset, other, shop)
    assert not any(offered.values()), offered
    say(mo, asset.pk, "safe")
    offered = where_offered(asset, other, shop)
    assert all(offered.values()), offered
    say(mo, asset.pk, "unsafe")
    assert not any(where_offered(asset, other, shop).values())
    take_back(mo, asset.pk)
    assert all(where_offered(asset, other, shop).values())


def test_what_no_model_minds_is_hidden_by_a_person(described: Any, mo: User, alice: User) -> None:
    asset, other = described("blue", "red")
    say(mo, asset.pk, "unsafe")
    assert found(search_text(None, "picture")) == [other.pk]
    assert found(search_text(alice, "is:unsafe")) == [asset.pk]
    assert found(search_text(alice, "-is:unsafe")) == [other.pk]


def test_is_unsafe_means_what_people_said_before_what_models_say(
    described: Any, mo: User, alice: User
) -> None:
    asset, other = described(GLARING, "red")
    say(mo, asset.pk, "safe")
    assert search_text(alice, "is:unsafe").matches == []
    assert set(found(search_text(None, "-is:unsafe"))) == {asset.pk, other.pk}


@pytest.mark.parametrize("said", ["safe", "unsafe"])
def test_neither_describing_again_nor_another_model_changes_it(described: Any, mo: User, said: str) -> None:
    (asset,) = described(GLARING if said == "safe" else "red")
    say(mo, asset.pk, said)
    frame = asset.frames.get()
    frame.captions.all().delete()
    run_stages()
    record_unsafe([frame.pk], Scored("another", [0.99 if said == "safe" else 0.0]))
    assert found(search_text(None, "picture")) == ([asset.pk] if said == "safe" else [])
