"""Storing, changing and deleting: one asset per owner and bytes, files shared until the last row goes."""

import hashlib
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.test import override_settings

from core.errors import CorruptMedia, InvalidInput, NotFound, TooLarge, Unavailable, UnsupportedMedia
from library import asset_store, storage
from library.asset_store import delete_asset, store_upload, update_asset
from library.media.hashes import bits_apart
from library.models import Asset
from tests.library.conftest import files_in, stored
from tests.library.pictures import (
    FORMATS,
    MIME_TYPES,
    drawing,
    encoded,
    located_picture,
    picture,
    with_iptc,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_is_stored_untouched_under_its_hash(form: str, alice: User) -> None:
    content = picture(form)
    asset = stored(alice, content, name="looks-like.txt")
    sha256 = hashlib.sha256(content).hexdigest()
    assert asset.mime_type == MIME_TYPES[form]
    assert asset.original_key.startswith(f"originals/{sha256[:2]}/{sha256[2:4]}/{sha256}.")
    with default_storage.open(asset.original_key) as file:
        assert file.read() == content
    assert (asset.width_px, asset.height_px, asset.size_bytes) == (160, 120, len(content))
    assert len(asset.perceptual_hash) == 16
    assert asset.blurhash


def test_what_the_file_says_of_itself_is_kept(alice: User) -> None:
    asset = stored(alice, located_picture(latitude=-33.5))
    assert asset.camera == "Canon EOS 5D"
    assert asset.taken_at is not None
    assert asset.taken_at.isoformat() == "2019-07-14T18:30:05+02:00"
    assert (asset.latitude, asset.longitude) == (-33.5, -4.5)


def test_embedded_words_fill_what_the_person_left_empty(alice: User) -> None:
    content = with_iptc(
        picture(), [(2, 5, b"Embedded"), (2, 120, b"A cup"), (2, 25, b"coffee, hot"), (2, 25, b"Cup")]
    )
    asset = stored(alice, content, title="Mine", tags=["cup", "table"])
    assert (asset.title, asset.description) == ("Mine", "A cup")
    assert {tag.name for tag in asset.tags.all()} == {"cup", "table", "coffee hot"}


def test_the_same_bytes_twice_are_one_asset_answered_with_the_first(alice: User, media: Path) -> None:
    first = store_upload(alice, BytesIO(picture()), name="a.jpg", title="first")
    again = store_upload(alice, BytesIO(picture()), name="b.jpg", title="second")
    assert (first.created, again.created) == (True, False)
    assert again.asset == first.asset
    assert again.asset.title == "first"
    assert Asset.objects.count() == 1


def test_two_owners_share_one_file_until_the_last_row_goes(alice: User, bob: User, media: Path) -> None:
    hers, his = stored(alice), stored(bob)
    assert hers.pk != his.pk
    assert len(files_in(media / "originals")) == 1
    delete_asset(hers)
    assert default_storage.exists(his.original_key)
    delete_asset(his)
    assert files_in(media) == []


def test_a_file_that_went_missing_comes_back_with_the_next_upload_of_its_bytes(alice: User) -> None:
    asset = stored(alice)
    default_storage.delete(asset.original_key)
    assert not store_upload(alice, BytesIO(picture()), name="a.jpg").created
    assert default_storage.size(asset.original_key) == asset.size_bytes


def test_the_rest_of_a_crash_is_never_taken_for_the_file(alice: User) -> None:
    key = storage.original_key(hashlib.sha256(picture()).hexdigest(), "jpg")
    storage.put(key, picture()[:100])
    stored(alice)
    assert default_storage.size(key) == len(picture())


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", CorruptMedia),
        (b"a text file that calls itself a photo", UnsupportedMedia),
        (picture()[:-20], CorruptMedia),
        (picture("PNG")[:200], CorruptMedia),
    ],
)
def test_what_is_refused_leaves_neither_row_nor_file(
    content: bytes, error: type[Exception], alice: User, media: Path
) -> None:
    with pytest.raises(error):
        store_upload(alice, BytesIO(content), name="photo.jpg")
    assert not Asset.objects.exists()
    assert files_in(media) == []


def test_a_file_over_the_limit_is_refused_without_being_read_to_its_end(alice: User, media: Path) -> None:
    class Endless(BytesIO):
        given = 0

        def read(self, size: int | None = -1, /) -> bytes:
            assert size is not None
            assert size > 0, "read in pieces"
            self.given += size
            return b"x" * size

    file = Endless()
    with override_settings(UPLOAD_MAX_BYTES=3_000_000), pytest.raises(TooLarge, match="3,000,000"):
        store_upload(alice, file, name="huge.jpg")
    assert file.given < 6_000_000
    assert files_in(media) == []


def test_the_pixel_limit_is_a_setting(alice: User) -> None:
    with override_settings(UPLOAD_MAX_PIXELS=10_000), pytest.raises(TooLarge):
        stored(alice, picture(size=(101, 100)))


def test_a_full_disk_is_ours_to_heal(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(Unavailable, match="No space left"):
        stored(alice)
    assert not Asset.objects.exists()


def test_a_write_that_fails_leaves_no_part_of_a_file(
    alice: User, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        stored(alice)
    assert files_in(media) == []


def test_a_row_that_does_not_commit_leaves_at_most_an_unreferenced_file(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("the process dies here")

    monkeypatch.setattr(asset_store, "_insert", crash)
    with pytest.raises(RuntimeError):
        stored(alice)
    assert not Asset.objects.exists()


def test_one_picture_in_two_formats_looks_the_same_to_its_hash(alice: User) -> None:
    one, other, else_ = (
        stored(alice, picture("JPEG")),
        stored(alice, picture("PNG")),
        stored(alice, picture(seed=9)),
    )
    smaller = stored(alice, encoded(drawing().resize((120, 90)), "JPEG"))
    assert bits_apart(one.perceptual_hash, other.perceptual_hash) <= 4
    assert bits_apart(one.perceptual_hash, smaller.perceptual_hash) <= 6
    assert bits_apart(one.perceptual_hash, else_.perceptual_hash) > 10


@pytest.mark.parametrize(
    ("words", "field"),
    [
        ({"title": "x" * 201}, "title"),
        ({"title": "line\nbreak"}, "title"),
        ({"title": "nul\0"}, "title"),
        ({"title": "half a character \ud83d"}, "title"),
        ({"description": "x" * 5001}, "description"),
        ({"description": "bell \x07"}, "description"),
        ({"tags": ["x" * 65]}, "tags"),
        ({"tags": ["one, two"]}, "tags"),
        ({"tags": [f"tag {number}" for number in range(51)]}, "tags"),
        ({"tags": ["esc \x1b[2J"]}, "tags"),
        ({"visibility": "friends"}, "visibility"),
    ],
)
def test_words_against_the_rules_name_their_field(words: Any, field: str, alice: User) -> None:
    with pytest.raises(InvalidInput, match=field) as refused:
        stored(alice, **words)
    assert refused.value.field == field
    asset = stored(alice)
    with pytest.raises(InvalidInput):
        update_asset(asset, **words)


def test_words_of_the_world_are_welcome(alice: User) -> None:
    asset = stored(
        alice,
        title="مِیخواهم 👩‍👩‍👧 日本",
        description="two\nlines\tand a tab",
        tags=["  été  d'or ", "ÉTÉ D'OR", ""],
    )
    assert asset.description == "two\nlines\tand a tab"
    assert [tag.name for tag in asset.tags.all()] == ["été d'or"]


def test_a_change_touches_only_what_it_names(alice: User) -> None:
    asset = stored(alice, title="old", description="stays", tags=["a", "b"])
    changed = update_asset(asset, title="new", visibility="public")
    assert (changed.title, changed.description, changed.visibility) == ("new", "stays", "public")
    assert {tag.name for tag in changed.tags.all()} == {"a", "b"}


def test_new_tags_replace_the_old_ones_and_tell_that_the_asset_changed(alice: User) -> None:
    asset = stored(alice, tags=["a", "b"])
    changed = update_asset(asset, tags=["b", "c"])
    assert {tag.name for tag in changed.tags.all()} == {"b", "c"}
    assert changed.updated_at > asset.updated_at


def test_a_deleted_asset_can_be_changed_no_more(alice: User) -> None:
    asset = stored(alice)
    delete_asset(asset)
    with pytest.raises(NotFound):
        update_asset(asset, title="ghost")


def test_file_names_are_kept_without_their_folders_and_tricks(alice: User) -> None:
    asset = stored(alice, name="..\\..\\etc/pass\x00wd\u202e.jpg")
    assert "/" not in asset.original_name
    assert "\\" not in asset.original_name
    assert "\0" not in asset.original_name
    assert asset.original_name.endswith(".jpg")
