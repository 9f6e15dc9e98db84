"""What people reviewed as a dataset folder: whose words, of which photos, kept up to date, read by training."""

import csv
import json
from datetime import timedelta
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone
from PIL import Image

from captioning import caption_export, services
from captioning.caption_export import ReviewedCaptions, export_captions, split_of
from captioning.captioners.base import CaptionDraft
from captioning.models import Caption, ReviewDecision
from captioning.training.dataset import read_dataset
from core.errors import Conflict
from core.locks import named_lock
from library import storage
from library.asset_store import delete_asset, store_upload, update_asset
from library.frames import make_frames
from library.models import Frame
from tests.library.pictures import halves, located_picture, picture

pytestmark = pytest.mark.django_db(transaction=True)
MODEL = "fake-captioner"


@pytest.fixture
def alice() -> User:
    return User.objects.create_user("alice")


def photo(owner: User, seed: int = 0, *, content: bytes | None = None, **words: Any) -> Frame:
    words = {"visibility": "public", **words}
    asset = store_upload(owner, BytesIO(content or picture(seed=seed)), name="a.jpg", **words).asset
    return make_frames(asset)[0]


def said(frame: Frame, text: str, state: Caption.State = Caption.State.DRAFT) -> Caption:
    """A model's sentence in a state."""
    services.record_captions([(frame.pk, CaptionDraft(text, 0.5))], MODEL)
    Caption.objects.filter(frame=frame, model_id=MODEL).update(state=state)
    return Caption.objects.get(frame=frame, model_id=MODEL)


def accepted(frame: Frame, text: str) -> Caption:
    return said(frame, text, Caption.State.ACCEPTED)


def rows_in(folder: Path) -> list[dict[str, str]]:
    with (folder / "captions.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_what_people_stand_behind_is_exported_and_nothing_else(alice: User, tmp_path: Path) -> None:
    accepted(photo(alice, 1, title="At the sea", tags=["dog", "beach"]), "A dog.")
    edited = photo(alice, 2)
    said(edited, "A cat.", Caption.State.EDITED)
    services.edit_caption(edited, "A black cat, asleep.", alice)
    services.edit_caption(photo(alice, 3), 'A "red"\nbus.', alice)
    overruled = photo(alice, 4)
    accepted(overruled, "A horse.")
    services.edit_caption(overruled, "A pony.", alice)
    for seed, state in enumerate((Caption.State.DRAFT, Caption.State.TO_REVIEW, Caption.State.REJECTED), 5):
        said(photo(alice, seed), "Nobody's.", state)
    Caption.objects.create(frame=photo(alice, 9), source=Caption.Source.IMPORTED, text="From a file.")
    accepted(photo(alice, 10, visibility="private"), "A secret.")

    manifest = export_captions(tmp_path / "out")
    rows = rows_in(tmp_path / "out")
    assert {(row["caption"], row["source"]) for row in rows} == {
        ("A dog.", "accepted"),
        ("A black cat, asleep.", "edited"),
        ('A "red" bus.', "written"),
        ("A pony.", "written"),
    }
    (dog,) = [row for row in rows if row["caption"] == "A dog."]
    assert (dog["title"], dog["tags"]) == ("At the sea", "beach, dog")
    assert manifest["captions"] == manifest["photos"] == 4
    assert manifest["model_ids"] == {MODEL: 2}
    assert json.loads((tmp_path / "out" / "export.json").read_text()) == manifest
    dataset = read_dataset(tmp_path / "out", needed_splits=("train", "dev"), decode=True)
    assert sum(map(len, dataset.splits.values())) == 4
    everything = export_captions(tmp_path / "all", ReviewedCaptions(include_private=True))
    assert everything["captions"] == 5


def test_a_second_export_adds_what_is_new_and_drops_what_is_gone(alice: User, tmp_path: Path) -> None:
    frames = [photo(alice, seed) for seed in range(5)]
    captions = [accepted(frame, f"Photo {at}.") for at, frame in enumerate(frames)]
    folder = tmp_path / "out"
    export_captions(folder)
    (folder / "images" / "notes.txt").write_text("mine")
    (folder / "images" / f"{'0' * 64}.jpg.new").write_text("half a picture")
    kept = {
        frame.asset.sha256: path for frame in frames for path in folder.glob(f"images/{frame.asset.sha256}*")
    }
    inode = kept[frames[4].asset.sha256].stat().st_ino

    Caption.objects.filter(pk=captions[0].pk).update(state=Caption.State.DRAFT)
    delete_asset(frames[1].asset)
    update_asset(frames[2].asset, visibility="private")
    accepted(photo(alice, 7), "New.")
    export_captions(folder)
    assert {row["caption"] for row in rows_in(folder)} == {"Photo 3.", "Photo 4.", "New."}
    names = {row["image"] for row in rows_in(folder)} | {"notes.txt"}
    assert {path.name for path in (folder / "images").iterdir()} == names
    assert kept[frames[4].asset.sha256].stat().st_ino == inode, "what is there is not written again"

    Caption.objects.update(state=Caption.State.DRAFT)
    assert export_captions(folder)["photos"] == 0
    assert [path.name for path in (folder / "images").iterdir()] == ["notes.txt"]


def test_an_export_that_breaks_off_leaves_the_former_table_whole(
    alice: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted(photo(alice, 1), "One.")
    export_captions(tmp_path / "out")
    accepted(photo(alice, 2), "Two.")
    monkeypatch.setattr(caption_export, "write_plain_copy", _full_disk)
    with pytest.raises(OSError, match="No space"):
        export_captions(tmp_path / "out")
    assert [row["caption"] for row in rows_in(tmp_path / "out")] == ["One."]
    monkeypatch.undo()
    assert export_captions(tmp_path / "out")["photos"] == 2


def _full_disk(*_: Any) -> str:
    raise OSError("No space left on device")


def test_plain_originals_are_linked_and_others_converted_without_their_metadata(
    alice: User, tmp_path: Path
) -> None:
    plain = photo(alice, content=picture())
    turned = photo(alice, content=halves("JPEG", 6))
    located = photo(alice, content=located_picture())
    phone = photo(alice, content=picture("HEIF", 3))
    gone = photo(alice, 8)
    for frame in (plain, turned, located, phone, gone):
        accepted(frame, "A picture.")
    storage.remove_file(gone.asset.original_key)
    manifest = export_captions(tmp_path / "out")
    assert (manifest["photos"], manifest["left_out"]) == (4, 1)

    def image(frame: Frame) -> Path:
        (found,) = (tmp_path / "out" / "images").glob(f"{frame.asset.sha256}.*")
        return found

    assert image(plain).stat().st_nlink == 2
    with Image.open(image(turned)) as upright:
        assert upright.size == (40, 80)
    for frame in (turned, located, phone):
        with Image.open(image(frame)) as copy:
            assert (copy.format, dict(copy.getexif())) == ("JPEG", {})


def test_a_photo_of_two_owners_is_one_picture_with_both_sentences(alice: User, tmp_path: Path) -> None:
    bob = User.objects.create_user("bob")
    for owner, text in ((alice, "A dog."), (bob, "A brown dog.")):
        services.edit_caption(photo(owner, 1), text, owner)
    export_captions(tmp_path / "out")
    (image,) = read_dataset(tmp_path / "out").split("train")
    assert image.captions == ("A dog.", "A brown dog.")
    export_captions(tmp_path / "bobs", ReviewedCaptions(owner="bob"))
    assert [row["caption"] for row in rows_in(tmp_path / "bobs")] == ["A brown dog."]


def test_only_what_was_decided_since(alice: User, tmp_path: Path) -> None:
    old, again, new = (accepted(photo(alice, seed), f"Photo {seed}.") for seed in range(3))
    long_ago = timezone.now() - timedelta(days=30)
    Caption.objects.filter(pk__in=[old.pk, again.pk]).update(updated_at=long_ago)
    ReviewDecision.objects.create(
        frame=again.frame,
        caption=again,
        model_id=MODEL,
        kind="accept",
        before=again.text,
        state_before="draft",
    )
    yesterday = timezone.now() - timedelta(days=1)
    assert caption_export.reviewed_since(None) == 3
    assert caption_export.reviewed_since(yesterday) == 2
    export_captions(tmp_path / "out", ReviewedCaptions(since=yesterday))
    assert {row["caption"] for row in rows_in(tmp_path / "out")} == {again.text, new.text}


def test_a_photo_never_leaves_its_side_while_photos_are_added() -> None:
    hashes = sorted(f"{number * 2654435761 % 2**32:08x}{'0' * 56}" for number in range(1, 2001))
    sides = {each: split_of(each, low=hashes[0], high=hashes[-1]) for each in hashes}
    assert sum(side == "dev" for side in sides.values()) == pytest.approx(200, abs=20)
    some = hashes[::7]
    assert {each: split_of(each, low=some[0], high=some[-1]) for each in some} == {
        each: sides[each] for each in some
    }
    few = hashes[1000:1005]
    assert [split_of(each, low=few[0], high=few[-1]) for each in few] == ["dev"] + ["train"] * 4
    low = hashes[:3]
    assert [split_of(each, low=low[0], high=low[-1]) for each in low] == ["dev", "dev", "train"]


def test_bad_input_is_told(alice: User, tmp_path: Path) -> None:
    def told(*arguments: str) -> str:
        with pytest.raises(CommandError) as caught:
            call_command("export_captions", *arguments)
        return str(caught.value)

    new = str(tmp_path / "new")
    assert "No caption was accepted" in told(new)
    assert not Path(new).exists()
    accepted(photo(alice, 1, visibility="private"), "A secret.")
    assert "--include-private" in told(new)
    assert "no user 'nobody'" in told(new, "--owner", "nobody")
    assert "2026-11-24" in told(new, "--since", "yesterday")
    other = tmp_path / "photos"
    (other / "images").mkdir(parents=True)
    assert "holds something else" in told(str(other), "--include-private")
    out = StringIO()
    call_command("export_captions", new, "--include-private", stdout=out)
    assert "1 captions of 1 photos (1 train)" in out.getvalue()


def test_two_exports_into_one_folder_do_not_meet(alice: User, tmp_path: Path) -> None:
    accepted(photo(alice, 1), "One.")
    export_captions(tmp_path / "out")
    lock = caption_export.lock_of(tmp_path / "out")
    with named_lock(lock, timeout_s=1), pytest.raises(Conflict, match="Another process holds"):
        export_captions(tmp_path / "out")
    assert export_captions(tmp_path / "out")["photos"] == 1


def test_more_photos_are_not_more_queries(
    alice: User, tmp_path: Path, django_assert_max_num_queries: Any
) -> None:
    for seed in range(12):
        accepted(photo(alice, seed), "One.")
    with django_assert_max_num_queries(8):
        export_captions(tmp_path / "out")
