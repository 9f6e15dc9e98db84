"""Folders and archives of this machine, imported by `manage.py import_media`."""

import os
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from core.errors import CorruptMedia
from library import asset_store
from library.asset_store import delete_asset
from library.importers import batch
from library.importers.folder import LocalFile
from library.models import Asset
from library.storage_sweep import sweep
from tests.library.conftest import files_in, stored
from tests.library.pictures import picture, zipped

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("wakes")]


def run(path: Path, **options: object) -> tuple[str, str]:
    out, errors = StringIO(), StringIO()
    call_command("import_media", str(path), stdout=out, stderr=errors, verbosity=0, **options)
    return out.getvalue(), errors.getvalue()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "2019" / "summer").mkdir(parents=True)
    (folder / "one.jpg").write_bytes(picture(seed=1))
    (folder / "2019" / "two.jpg").write_bytes(picture(seed=2))
    (folder / "2019" / "summer" / "without ending").write_bytes(picture("PNG", seed=3))
    return folder


def test_a_folder_is_imported_with_everything_below_it(photos: Path, alice: User) -> None:
    out, _ = run(photos)
    assert "3 new, 0 there before, 0 failed" in out
    assert {asset.original_name for asset in Asset.objects.filter(owner=alice)} == {
        "one.jpg",
        "two.jpg",
        "without ending",
    }


def test_run_again_it_finds_everything_there(photos: Path, alice: User) -> None:
    run(photos)
    out, _ = run(photos)
    assert "0 new, 3 there before, 0 failed" in out


def test_an_import_that_was_stopped_goes_on_where_it_was(
    photos: Path, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = asset_store.keep
    count = 0

    def keep_one(*args: object) -> object:
        nonlocal count
        count += 1
        if count == 2:
            raise KeyboardInterrupt
        return kept(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(batch, "keep", keep_one)
    with pytest.raises(CommandError, match="again to go on"):
        run(photos)
    assert Asset.objects.count() == 1
    monkeypatch.setattr(batch, "keep", kept)
    assert "2 new, 1 there before" in run(photos)[0]


def test_damaged_photos_are_named_and_other_files_are_passed_over(photos: Path, alice: User) -> None:
    (photos / "cut.jpg").write_bytes(picture(seed=5)[:300])
    (photos / "text.jpg").write_text("not a photo")
    (photos / "captions.csv").write_text("image,caption")
    (photos / ".hidden.jpg").write_bytes(picture(seed=6))
    out, errors = run(photos)
    assert "3 new, 0 there before, 2 failed, 1 not pictures" in out
    assert "cut.jpg: The JPEG file is damaged" in errors
    assert "text.jpg: " in errors


def test_a_photo_that_can_not_be_read_is_an_error_of_its_own(tmp_path: Path) -> None:
    gone = LocalFile(tmp_path / "gone.jpg", "gone.jpg")
    with pytest.raises(CorruptMedia, match="can't be read: No such file"), gone.open():
        pass


def test_links_that_go_in_circles_are_not_followed(photos: Path, alice: User) -> None:
    (photos / "2019" / "up").symlink_to(photos)
    assert "3 new" in run(photos)[0]


def test_zip_files_in_a_folder_are_imported_too(photos: Path, alice: User) -> None:
    (photos / "more.zip").write_bytes(zipped({"four.jpg": picture(seed=4), "one-again.jpg": picture(seed=1)}))
    assert "4 new, 1 there before" in run(photos)[0]


def test_one_file_can_be_named(photos: Path, alice: User) -> None:
    assert "1 new" in run(photos / "one.jpg")[0]


def test_owner_tags_and_visibility_can_be_said(photos: Path, alice: User, bob: User) -> None:
    run(photos, owner="bob", visibility="public", tag=["holiday"])
    asset = Asset.objects.filter(owner=bob).first()
    assert asset is not None
    assert asset.visibility == "public"
    assert [tag.name for tag in asset.tags.all()] == ["holiday"]


def test_with_two_users_somebody_must_be_named(photos: Path, alice: User, bob: User) -> None:
    with pytest.raises(CommandError, match="--owner"):
        run(photos)
    with pytest.raises(CommandError, match="no user 'eve'"):
        run(photos, owner="eve")


def test_wrong_arguments_say_what_is_wrong(photos: Path, alice: User) -> None:
    with pytest.raises(CommandError, match="no /nowhere"):
        run(Path("/nowhere"))
    with pytest.raises(CommandError, match="visibility must be"):
        run(photos, visibility="everyone")


def test_a_folder_of_nothing_but_failures_is_a_failure(tmp_path: Path, alice: User) -> None:
    (tmp_path / "text.jpg").write_text("not a photo")
    with pytest.raises(CommandError, match="No photo"):
        run(tmp_path)


def test_the_sweep_removes_what_belongs_to_no_asset_and_nothing_else(alice: User, media: Path) -> None:
    kept, deleted = stored(alice, picture(seed=1)), stored(alice, picture(seed=2))
    Asset.objects.filter(pk=deleted.pk).delete()  # as the deletion of an account does, past the services
    expected = [name for name in files_in(media) if kept.sha256 in name]
    assert sweep(dry_run=True).contents == 1
    assert len(files_in(media)) > len(expected)
    out = StringIO()
    call_command("clean_storage", stdout=out)
    assert "1 contents without an asset" in out.getvalue()
    assert files_in(media) == expected
    assert sweep().contents == 0
    delete_asset(kept)
    assert files_in(media) == []


def test_the_sweep_removes_half_written_files_once_they_are_old(alice: User, media: Path) -> None:
    folder = (media / stored(alice).original_key).parent
    young, old = folder / ".incoming-young", folder / ".incoming-old"
    young.write_bytes(b"x")
    old.write_bytes(b"x")
    os.utime(old, (1, 1))
    assert sweep().scratch_files == 1
    assert young.exists()
    assert not old.exists()
