"""The same bytes stored and deleted at one moment: no file without its row, and no row without its file."""

import threading
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection

from library import asset_store, storage
from library.asset_store import delete_asset, store_upload
from library.models import Asset
from tests.library.conftest import files_in, stored
from tests.library.pictures import picture

pytestmark = pytest.mark.django_db(transaction=True)


def together(*actions: Any) -> list[BaseException]:
    """Runs all at the same moment, each in a thread with a connection of its own."""
    start = threading.Barrier(len(actions))
    errors: list[BaseException] = []

    def run(action: Any) -> None:
        try:
            start.wait()
            action()
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def test_uploads_of_the_same_bytes_at_the_same_moment_end_as_one_asset(
    alice: User, bob: User, media: Path
) -> None:
    answers: list[asset_store.StoredAsset] = []

    def upload(owner: User) -> None:
        answers.append(store_upload(owner, BytesIO(picture()), name="photo.jpg"))

    errors = together(*[lambda: upload(alice)] * 4, *[lambda: upload(bob)] * 2)
    assert errors == []
    assert sum(answer.created for answer in answers) == 2
    assert Asset.objects.filter(owner=alice).count() == Asset.objects.filter(owner=bob).count() == 1
    assert len(files_in(media / "originals")) == 1


def test_deleting_while_the_same_bytes_come_in_again_never_loses_the_file(alice: User, bob: User) -> None:
    for round_ in range(8):
        content = picture(seed=round_)
        asset = stored(alice, content)
        errors = together(
            partial(delete_asset, asset), partial(stored, bob, content), partial(stored, alice, content)
        )
        assert errors == []
        for left in Asset.objects.filter(sha256=asset.sha256):
            assert storage.holds(left.original_key, left.size_bytes)
        assert Asset.objects.filter(owner=bob, sha256=asset.sha256).exists()


def test_bytes_that_come_again_while_their_asset_is_deleted_are_stored_anew(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    asset = stored(alice)
    holds = storage.holds

    def holds_after_the_deletion(key: str, size_bytes: int) -> bool:
        for left in Asset.objects.filter(pk=asset.pk):
            delete_asset(left)
        return holds(key, size_bytes)

    monkeypatch.setattr(storage, "holds", holds_after_the_deletion)
    again = store_upload(alice, BytesIO(picture()), name="photo.jpg")
    assert again.created
    assert Asset.objects.get().pk == again.asset.pk
    assert holds(again.asset.original_key, again.asset.size_bytes)
