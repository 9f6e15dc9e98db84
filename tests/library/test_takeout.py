"""Everything of one person in one file: whole, under names that any system takes, and never in memory at once."""

import json
import tracemalloc
import zipfile
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage

from core.errors import Unavailable
from library import takeout as takeouts
from library.models import Asset
from library.takeout import takeout
from tests.library.conftest import stored
from tests.library.pictures import picture

pytestmark = pytest.mark.django_db


def nothing_more(assets: Sequence[Asset]) -> list[dict[str, Any]]:
    return [{} for _ in assets]


def opened(owner: User) -> zipfile.ZipFile:
    archive = zipfile.ZipFile(BytesIO(b"".join(takeout(owner, nothing_more))))
    assert archive.testzip() is None
    return archive


def listed(archive: zipfile.ZipFile) -> list[dict[str, Any]]:
    return list(json.loads(archive.read("photos.json")))


def test_originals_come_out_byte_for_byte_and_nobody_elses(alice: User, bob: User) -> None:
    mine = picture(seed=1), picture("PNG", seed=2)
    stored(alice, mine[0], name="sea.jpg", visibility="public")
    stored(bob, picture(seed=3), name="bobs.jpg", visibility="public")
    stored(alice, mine[1], name="hill.png")
    archive = opened(alice)
    assert archive.namelist() == ["photos/sea.jpg", "photos/hill.png", "photos.json"]
    assert (archive.read("photos/sea.jpg"), archive.read("photos/hill.png")) == mine


def test_the_list_tells_what_is_known_and_what_other_rooms_tell(alice: User) -> None:
    asset = stored(alice, title="Rügen", description="Chalk", tags=["sea", "cliff"], visibility="public")
    Asset.objects.update(latitude=54.57, longitude=13.66, camera="Fuji")

    def told(assets: Sequence[Asset]) -> list[dict[str, str]]:
        return [{"caption": f"picture {each.pk}"} for each in assets]

    archive = zipfile.ZipFile(BytesIO(b"".join(takeout(alice, told))))
    (entry,) = listed(archive)
    assert "Rügen" in archive.read("photos.json").decode(), "readable, not escaped"
    assert entry.pop("uploaded_at").startswith(f"{asset.created_at:%Y-%m-%dT%H:%M}")
    assert entry == {
        **{"file": "photos/photo.jpg", "title": "Rügen", "description": "Chalk", "tags": ["cliff", "sea"]},
        **{"visibility": "public", "taken_at": None, "camera": "Fuji", "latitude": 54.57, "longitude": 13.66},
        **{"width_px": 160, "height_px": 120, "sha256": asset.sha256, "caption": f"picture {asset.pk}"},
    }


def test_of_nothing_it_is_an_empty_list(alice: User) -> None:
    archive = opened(alice)
    assert (archive.namelist(), listed(archive)) == (["photos.json"], [])


@pytest.mark.parametrize(
    ("came", "goes"),
    [
        ("sea.JPG", "sea.JPG"),
        ("..\\..\\etc\\passwd", "passwd.jpg"),
        ("CON:<1>|?.jpg", "CON__1___.jpg"),
        ("...", "photo.jpg"),
        (".jpg", "photo.jpg"),
        ("IMG.2024", "IMG.2024.jpg"),
        ("", "photo.jpg"),
        ("海" * 200 + ".jpeg", "海" * 66 + ".jpeg"),
    ],
)
def test_names_are_such_as_any_system_takes(alice: User, came: str, goes: str) -> None:
    stored(alice, name=came)
    assert opened(alice).namelist()[0] == f"photos/{goes}"


def test_of_one_name_each_photo_has_a_file(alice: User) -> None:
    """A disk that doesn't tell cases apart would overwrite one with another."""
    first, second, third = (
        stored(alice, picture(seed=seed), name=name)
        for seed, name in enumerate(("a.jpg", "A.jpg", "a.JPG"), start=1)
    )
    Asset.objects.filter(pk=first.pk).update(original_name=f"a-{third.pk}.jpg")
    names = [entry["file"] for entry in listed(opened(alice))]
    assert names == [f"photos/a-{third.pk}.jpg", "photos/A.jpg", f"photos/a-{third.pk}-2.JPG"]
    assert second.original_name == "A.jpg"


def test_a_file_that_is_gone_keeps_no_other_back(alice: User) -> None:
    gone = stored(alice, picture(seed=1), name="gone.jpg")
    stored(alice, picture(seed=2), name="here.jpg")
    default_storage.delete(gone.original_key)
    archive = opened(alice)
    assert archive.namelist() == ["photos/here.jpg", "photos.json"]
    assert [entry["file"] for entry in listed(archive)] == [None, "photos/here.jpg"]


def test_a_store_that_is_away_breaks_it_off(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of somebody's photos that looks like all of them would be the worst of answers."""
    stored(alice)

    def away(key: str) -> None:
        raise OSError("no route")

    monkeypatch.setattr(default_storage, "open", away)
    with pytest.raises(Unavailable):
        list(takeout(alice, nothing_more))


def test_photos_of_any_date_have_one_that_zip_files_know(alice: User) -> None:
    stored(alice)
    Asset.objects.update(taken_at="1931-05-06T10:00:00Z")
    assert opened(alice).infolist()[0].date_time == (1980, 1, 1, 0, 0, 0)
    Asset.objects.update(taken_at="2024-05-06T10:11:12Z")
    assert opened(alice).infolist()[0].date_time == (2024, 5, 6, 10, 11, 12)


def test_many_photos_come_some_at_a_time(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(takeouts, "_BATCH", 2)
    for seed in range(5):
        stored(alice, picture(seed=seed), name=f"{seed}.jpg")
    assert opened(alice).namelist() == [*(f"photos/{seed}.jpg" for seed in range(5)), "photos.json"]


def test_no_more_than_a_piece_is_held(alice: User) -> None:
    asset = stored(alice)
    with default_storage.open(asset.original_key, "ab") as file:
        file.write(bytes(64 << 20))
    tracemalloc.start()
    try:
        size = sum(len(piece) for piece in takeout(alice, nothing_more))
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert size > 64 << 20
    assert most < 8 << 20
