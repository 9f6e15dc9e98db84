"""Stored files over HTTP: each request is asked who it is."""

from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from PIL import Image

from library import storage
from library.asset_store import delete_asset, update_asset
from library.media.decoding import open_picture
from library.media.metadata import Metadata, read_metadata
from tests.library.conftest import files_in, signed_in, stored
from tests.library.pictures import halves, located_picture, picture, with_iptc

pytestmark = pytest.mark.django_db(transaction=True)


def body(answer: Any) -> bytes:
    content = b"".join(answer)  # a FileResponse is read to its end, and closes its file
    answer.close()
    return content


def status_of(client: Client, path: str) -> int:
    return int(closed(client.get(path)).status_code)


def closed(answer: Any) -> Any:
    answer.close()
    return answer


def address(asset_id: int, kind: str) -> str:
    return f"/media/asset/{asset_id}/{kind}"


KINDS = ["original", "thumbnail/320", "thumbnail/960"]


@pytest.mark.parametrize("kind", KINDS)
def test_private_files_are_for_their_owner_and_not_found_for_others(
    kind: str, alice: User, bob: User, carol: User
) -> None:
    path = address(stored(alice).pk, kind)
    assert status_of(signed_in(alice), path) == 200
    for client in (Client(), signed_in(bob), signed_in(carol)):
        assert status_of(client, path) == 404


@pytest.mark.parametrize("kind", KINDS)
def test_public_files_are_for_everybody(kind: str, alice: User, bob: User) -> None:
    path = address(stored(alice, visibility="public").pk, kind)
    for client in (Client(), signed_in(bob)):
        assert status_of(client, path) == 200


def test_the_owner_gets_the_original_byte_for_byte(alice: User) -> None:
    content = picture("HEIF")
    asset = stored(alice, content, name="my photo.heic")
    answer = signed_in(alice).get(address(asset.pk, "original"))
    assert body(answer) == content
    assert answer["Content-Type"] == "image/heic"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "my photo.heic" in answer["Content-Disposition"]


def test_strangers_get_the_whole_picture_without_place_words_or_camera(alice: User, bob: User) -> None:
    content = with_iptc(located_picture(), [(2, 90, b"Brest"), (2, 120, b"our house")])
    asset = stored(alice, content, visibility="public", name="our house in Brest.jpg")
    answer = signed_in(bob).get(address(asset.pk, "original"))
    copy = body(answer)
    _, image = open_picture(BytesIO(copy), max_pixels=10**6)
    assert image.size == (asset.width_px, asset.height_px)
    assert read_metadata(image) == Metadata()
    assert b"Brest" not in copy
    assert b"Canon" not in copy
    assert "house" not in answer["Content-Disposition"]


def test_the_copy_for_strangers_is_upright(alice: User) -> None:
    asset = stored(alice, halves("JPEG", 6), visibility="public")
    assert Image.open(BytesIO(body(Client().get(address(asset.pk, "original"))))).size == (40, 80)


@pytest.mark.parametrize(("width_px", "real_px"), [(320, 320), (960, 700)])
def test_thumbnails_are_webp_no_wider_than_asked(width_px: int, real_px: int, alice: User) -> None:
    asset = stored(alice, picture(size=(700, 350)))
    answer = signed_in(alice).get(address(asset.pk, f"thumbnail/{width_px}"))
    image = Image.open(BytesIO(body(answer)))
    assert (image.format, image.width) == ("WEBP", real_px)


def test_thumbnails_carry_no_metadata(alice: User) -> None:
    asset = stored(alice, located_picture())
    content = body(signed_in(alice).get(address(asset.pk, "thumbnail/320")))
    assert b"Exif" not in content
    assert b"EXIF" not in content


@pytest.mark.parametrize("width_px", [0, 1, 321, 99999])
def test_a_width_that_nobody_configured_is_not_found(width_px: int, alice: User, media: Path) -> None:
    asset = stored(alice)
    before = files_in(media)
    assert status_of(signed_in(alice), address(asset.pk, f"thumbnail/{width_px}")) == 404
    assert files_in(media) == before


def test_a_thumbnail_that_went_missing_is_made_again(alice: User) -> None:
    asset = stored(alice)
    storage.remove_file(storage.thumbnail_key(asset.sha256, 320))
    assert body(signed_in(alice).get(address(asset.pk, "thumbnail/320"))).startswith(b"RIFF")


def test_an_empty_thumbnail_that_a_power_cut_left_is_made_again(alice: User) -> None:
    asset = stored(alice)
    storage.put(storage.thumbnail_key(asset.sha256, 320), b"")
    assert body(signed_in(alice).get(address(asset.pk, "thumbnail/320"))).startswith(b"RIFF")


def test_an_original_that_went_missing_is_not_found(alice: User) -> None:
    asset = stored(alice)
    storage.remove_content(asset.sha256)
    client = signed_in(alice)
    assert status_of(client, address(asset.pk, "original")) == 404


def test_a_browser_that_has_the_picture_is_told_that_nothing_changed(alice: User) -> None:
    asset = stored(alice)
    client = signed_in(alice)
    path = address(asset.pk, "thumbnail/320")
    etag = closed(client.get(path))["ETag"]
    assert client.get(path, headers={"If-None-Match": etag}).status_code == 304


def test_shared_caches_keep_public_pictures_only(alice: User) -> None:
    private, public = stored(alice), stored(alice, picture(seed=1), visibility="public")
    client = signed_in(alice)
    assert "private" in closed(client.get(address(private.pk, "thumbnail/320")))["Cache-Control"]
    assert "public" in closed(client.get(address(public.pk, "thumbnail/320")))["Cache-Control"]


def test_what_was_made_private_or_deleted_is_gone_at_once(alice: User) -> None:
    asset = stored(alice, visibility="public")
    path = address(asset.pk, "thumbnail/320")
    assert status_of(Client(), path) == 200
    update_asset(asset, visibility="private")
    assert status_of(Client(), path) == 404
    delete_asset(asset)
    assert status_of(signed_in(alice), path) == 404


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_files_can_only_be_read(method: str, alice: User) -> None:
    asset = stored(alice)
    assert getattr(signed_in(alice), method)(address(asset.pk, "original")).status_code == 405
