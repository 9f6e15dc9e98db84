"""An item's picture goes with the last item, unless a person made it a photo of their gallery meanwhile."""

from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
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
from library.details import Details
from library.frames import make_frames
from library.importers.imports import import_uploads
from library.importers.sources import OpenSource
from library.models import Asset
from recommender import items
from recommender.items import delete_item
from recommender.models import Item, Site
from recommender.pictures import forget_forsaken
from recommender.sites import delete_site
from tests.library.pictures import drawing, encoded, exif_of
from tests.recommender.item_server import Shop
from tests.recommender.sites import site
from workers import messages, pipeline

pytestmark = pytest.mark.django_db(transaction=True)

#: As cameras and editors write it into files.
FILE = encoded(drawing(), "JPEG", exif=exif_of({ExifTags.Base.ImageDescription: "A walk on the beach"}))


@pytest.fixture(autouse=True)
def _media(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.MEDIA_ROOT = tmp_path / "media"
    for name in ("wake_items", "added"):
        monkeypatch.setattr(pipeline, name, lambda *_: True)
    monkeypatch.setattr(messages, "spent", lambda *_, **__: None)


def shown_by_an_item(shop: Site) -> Asset:
    """And described."""
    Shop(shop).put_form("1", {"title": "A walk"}, FILE)
    asset = Asset.objects.get()
    (frame,) = make_frames(asset)
    Caption.objects.create(
        frame=frame, source=Caption.Source.MODEL, model_id="m", text="a beach", state=Caption.State.TO_REVIEW
    )
    return asset


def swept() -> int:
    """How many go in the sweep of an hour later."""
    Asset.objects.update(created_at=timezone.now() - timedelta(hours=1))
    return forget_forsaken()


def decided(asset: Asset, kind: str) -> None:
    caption = Caption.objects.get(frame__asset=asset)
    review.decide(asset.owner, caption.pk, kind, shown=caption.text)


def uploaded(asset: Asset) -> None:
    assert not asset_store.store_upload(asset.owner, BytesIO(FILE), name="walk.jpg").created


def imported(asset: Asset) -> None:
    (outcome,) = import_uploads(asset.owner, [OpenSource("walk.jpg", BytesIO(FILE))], Details())
    assert outcome.asset == asset


BY_A_PERSON: dict[str, Callable[[Asset], Any]] = {
    "an upload of the same": uploaded,
    "an import of the same": imported,
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
    assert swept() == 0
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


def test_a_photo_of_the_gallery_stays_when_an_item_that_showed_it_goes(alice: User, shop: Site) -> None:
    mine = asset_store.store_upload(alice, BytesIO(FILE), name="walk.jpg").asset
    Shop(shop).put_form("1", {"title": "A walk"}, FILE)
    assert Item.objects.get().asset == mine
    delete_item(shop, "1")
    assert Asset.objects.get() == mine


def test_a_picture_that_goes_with_one_item_just_as_another_brings_it_comes_again(
    shop: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    asset = shown_by_an_item(shop)
    kept = items._kept

    def kept_until_the_other_went(owner: User, upload: asset_store.Upload) -> Asset:
        found = kept(owner, upload)
        if found == asset:
            delete_item(shop, "1")
        return found

    monkeypatch.setattr(items, "_kept", kept_until_the_other_went)
    Shop(shop).put_form("2", {"title": "The same walk"}, FILE)
    assert Item.objects.get().asset == Asset.objects.get() != asset


def test_a_picture_stays_that_another_item_shows_just_before_it_is_removed(
    shop: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    asset = shown_by_an_item(shop)
    locked = asset_store.locked

    def locked_after_another_shows_it(asset_id: int) -> Asset | None:
        monkeypatch.setattr(asset_store, "locked", locked)
        Shop(shop).put_form("2", {"title": "The same walk"}, FILE)
        return locked(asset_id)

    monkeypatch.setattr(asset_store, "locked", locked_after_another_shows_it)
    delete_item(shop, "1")
    assert Item.objects.get().asset == Asset.objects.get() == asset


def test_a_site_s_pictures_go_with_it_when_they_are_swept_for(shop: Site) -> None:
    for name in ("1", "2"):
        Shop(shop).put_form(name, {"title": "A walk"}, FILE)
    assert Asset.objects.count() == 1
    delete_site(shop)
    assert swept() == 1
    assert not Asset.objects.exists()


@pytest.mark.parametrize("deed", BY_A_PERSON.values(), ids=BY_A_PERSON)
def test_what_a_person_had_a_hand_in_is_not_swept_away(shop: Site, deed: Callable[[Asset], Any]) -> None:
    asset = shown_by_an_item(shop)
    deed(asset)
    delete_site(shop)
    assert swept() == 0
    assert Asset.objects.get() == asset


def test_what_another_site_s_item_shows_is_not_swept_away(alice: User, shop: Site) -> None:
    other = site(alice, "other")
    for one in (shop, other):
        Shop(one).put_form("1", {"title": "A walk"}, FILE)
    delete_site(shop)
    assert swept() == 0
    delete_site(other)
    assert swept() == 1


def test_a_picture_that_is_stored_and_not_yet_shown_is_not_swept_away(
    shop: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = items._kept

    def kept_just_as_all_are_swept_for(owner: User, upload: asset_store.Upload) -> Asset:
        found = kept(owner, upload)
        assert forget_forsaken() == 0
        return found

    monkeypatch.setattr(items, "_kept", kept_just_as_all_are_swept_for)
    Shop(shop).put_form("1", {"title": "A walk"}, FILE)
    assert Item.objects.get().asset == Asset.objects.get()


def test_one_whose_process_died_before_the_item_showed_it_is_swept_away(alice: User) -> None:
    items._kept(alice, asset_store.fingerprint(BytesIO(FILE), "walk.jpg"))
    assert swept() == 1
    assert not Asset.objects.exists()
