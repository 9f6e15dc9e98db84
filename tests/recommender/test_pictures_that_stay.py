"""An item's picture goes with the last item, unless a person made it a photo of their gallery meanwhile."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from PIL import ExifTags

from captioning import review
from captioning.models import Caption
from captioning.services import edit_caption
from library import asset_store
from library.frames import make_frames
from library.models import Asset
from recommender.items import delete_item
from recommender.models import Site
from recommender.sites import delete_site
from tests.library.pictures import drawing, encoded, exif_of
from tests.recommender.item_server import Shop
from tests.recommender.sites import site
from workers import pipeline

pytestmark = pytest.mark.django_db(transaction=True)

#: As cameras and editors write it into files.
FILE = encoded(drawing(), "JPEG", exif=exif_of({ExifTags.Base.ImageDescription: "A walk on the beach"}))


@pytest.fixture(autouse=True)
def _media(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.MEDIA_ROOT = tmp_path / "media"
    for name in ("wake_items", "added"):
        monkeypatch.setattr(pipeline, name, lambda *_: True)
    monkeypatch.setattr(pipeline, "spent", lambda *_, **__: None)


@pytest.fixture
def shop(alice: User) -> Site:
    return site(alice)


def shown_by_an_item(shop: Site, name: str = "1") -> Asset:
    """Described, an hour ago."""
    Shop(shop).put_form(name, {"title": "A walk"}, FILE)
    asset = Asset.objects.get()
    (frame,) = make_frames(asset)
    Caption.objects.create(
        frame=frame, source=Caption.Source.MODEL, model_id="m", text="a beach", state=Caption.State.TO_REVIEW
    )
    an_hour_ago = timezone.now() - timedelta(hours=1)
    Asset.objects.update(created_at=an_hour_ago, updated_at=an_hour_ago)
    return asset


def decided(asset: Asset, kind: str) -> None:
    caption = Caption.objects.get(frame__asset=asset)
    review.decide(asset.owner, caption.pk, kind, shown=caption.text)


BY_A_PERSON: dict[str, Callable[[Asset], Any]] = {
    "public": lambda asset: asset_store.update_asset(asset, visibility="public"),
    "a title": lambda asset: asset_store.update_asset(asset, title="Mine"),
    "a description": lambda asset: asset_store.update_asset(asset, description="Mine"),
    "tags": lambda asset: asset_store.update_asset(asset, tags=["mine"]),
    "a caption": lambda asset: edit_caption(asset.frames.get(), "my beach", asset.owner),
    "accepted": lambda asset: decided(asset, "accept"),
    "rejected": lambda asset: decided(asset, "reject"),
}


@pytest.mark.parametrize("deed", BY_A_PERSON.values(), ids=BY_A_PERSON)
def test_what_a_person_had_a_hand_in_stays_when_the_item_goes(
    shop: Site, deed: Callable[[Asset], Any]
) -> None:
    asset = shown_by_an_item(shop)
    deed(asset)
    delete_item(shop, "1")
    assert Asset.objects.filter(pk=asset.pk).exists()


def test_and_when_the_item_shows_another_picture_or_the_site_goes(shop: Site) -> None:
    asset = shown_by_an_item(shop)
    asset_store.update_asset(asset, title="Mine")
    Shop(shop).put("1", {"title": "No picture any more"})
    assert Asset.objects.filter(pk=asset.pk).exists()
    Shop(shop).put_form("2", {"title": "Another picture"}, encoded(drawing(2), "JPEG"))
    other = Asset.objects.exclude(pk=asset.pk).get()
    asset_store.update_asset(other, visibility="public")
    delete_site(shop)
    assert set(Asset.objects.all()) == {asset, other}


def test_what_only_the_file_and_the_models_say_of_it_goes_with_it(shop: Site) -> None:
    asset = shown_by_an_item(shop)
    assert asset.title or asset.description
    asset_store.set_unsafe_scores({asset.pk: 0.1})
    delete_item(shop, "1")
    assert not Asset.objects.exists()


def test_it_goes_at_once_as_well(shop: Site) -> None:
    Shop(shop).put_form("1", {"title": "A walk"}, FILE)
    assert Asset.objects.count() == 1
    delete_item(shop, "1")
    assert not Asset.objects.exists()


def test_a_site_s_pictures_go_with_it(shop: Site) -> None:
    for name in ("1", "2"):
        Shop(shop).put_form(name, {"title": "A walk"}, FILE)
    assert Asset.objects.count() == 1
    delete_site(shop)
    assert not Asset.objects.exists()
