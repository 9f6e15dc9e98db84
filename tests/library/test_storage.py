"""Files that are written again, and pictures made from an original while somebody else reads or removes them."""

from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from PIL import Image

from library import storage
from library.asset_store import delete_asset
from tests.library.conftest import signed_in, stored

KEY = "thumbnails/aa/bb/x.webp"


def kept() -> bytes:
    with storage.open_file(KEY) as file:
        return bytes(file.read())


def test_a_file_that_is_written_again_is_there_all_the_while(monkeypatch: pytest.MonkeyPatch) -> None:
    storage.put(KEY, b"one")
    monkeypatch.setattr(default_storage, "delete", lambda name: pytest.fail("there was a moment without it"))
    storage.put(KEY, b"two")
    assert kept() == b"two"


def test_names_stay_as_they_are_in_a_store_that_would_rename(settings: Any, media: Path) -> None:
    plain = {"BACKEND": "django.core.files.storage.FileSystemStorage"}
    settings.STORAGES = {**settings.STORAGES, "default": plain}
    for content in (b"one", b"two"):
        storage.put(KEY, content)
        assert kept() == content
    assert [path.name for path in (media / KEY).parent.iterdir()] == ["x.webp"]


def test_a_file_that_vanishes_while_it_is_looked_for_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    storage.put(KEY, b"one")
    assert storage.holds(KEY, 3)
    size = default_storage.size

    def size_after_removal(name: str) -> int:
        storage.remove_file(name)
        return size(name)

    monkeypatch.setattr(default_storage, "size", size_after_removal)
    assert not storage.holds(KEY, 3)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", ["thumbnail/320", "original"])
def test_a_picture_made_for_one_viewer_is_shown_whatever_happens_to_its_file(
    kind: str, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    asset = stored(alice, visibility="public")
    storage.remove_file(storage.thumbnail_key(asset.sha256, 320))
    put = storage.put

    def put_and_lost(key: str, content: bytes) -> None:
        put(key, content)
        delete_asset(asset)

    monkeypatch.setattr(storage, "put", put_and_lost)
    answer = signed_in(bob).get(f"/media/asset/{asset.pk}/{kind}")
    content = b"".join(answer)
    answer.close()
    assert answer.status_code == 200
    assert int(answer["Content-Length"]) == len(content)
    assert Image.open(BytesIO(content)).size == (160, 120)
