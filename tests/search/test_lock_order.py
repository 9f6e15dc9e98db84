"""Stages that touch the same photo at once wait for one another, and never for ever."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction

from library.asset_store import delete_asset, set_unsafe_scores, update_asset
from library.models import Asset, Frame
from search import embeddings
from search.active import active_model_id
from search.models import AssetColumns, Embedding
from search.services import index_frames, index_within
from tests.search.listed_rows import unit_vectors
from tests.search.photos import photo

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(60)]


@contextmanager
def indexing_meanwhile(frame_id: int) -> Iterator[None]:
    """The index stage in a thread of its own, which gets as far as it can; fails where it fails."""
    failed = list[BaseException]()

    def index() -> None:
        try:
            index_frames([frame_id])
        except BaseException as error:
            failed.append(error)
        finally:
            connection.close()

    indexing = Thread(target=index)
    with transaction.atomic():
        embeddings.record("caption", active_model_id("caption"), [frame_id], unit_vectors(1, 7))
        indexing.start()
        indexing.join(0.5)
        yield
    indexing.join()
    assert not failed


@pytest.fixture
def changed(alice: User) -> Asset:
    asset = photo(alice, "a red picture")
    asset.visibility = "private"
    asset.save()
    return asset


def test_a_photo_may_be_described_again_while_a_change_of_it_is_indexed(changed: Asset) -> None:
    """Describing changes vectors, then assets."""
    with indexing_meanwhile(changed.frames.get().pk):
        set_unsafe_scores({changed.pk: 0.1})
    assert AssetColumns.objects.get(asset=changed).public == 0


def test_a_photo_may_be_deleted_while_it_is_indexed(changed: Asset) -> None:
    """Deleting takes the frames first as well, though what hangs on them goes before them."""
    frame_ids = [changed.frames.get().pk]
    embeddings.record("caption", active_model_id("caption"), frame_ids, unit_vectors(1, 7))

    def delete() -> None:
        delete_asset(changed)
        connection.close()

    deleting = Thread(target=delete)
    with transaction.atomic():
        list(Frame.objects.select_for_update(no_key=True).filter(pk__in=frame_ids))
        deleting.start()
        deleting.join(0.5)
        if connection.vendor == "postgresql":  # SQLite locks no rows: there it is gone by now
            assert Embedding.objects.select_for_update().filter(frame_id__in=frame_ids).first()
    deleting.join()
    assert not Asset.objects.exists()


def test_a_photo_may_be_deleted_while_its_tags_change(changed: Asset) -> None:
    """Tags name the photo: those that come while it is deleted must not be left without it."""

    def delete() -> None:
        delete_asset(changed)
        connection.close()

    deleting = Thread(target=delete)
    with transaction.atomic():
        update_asset(changed, tags=["poppies"])
        deleting.start()
        deleting.join(0.5)
    deleting.join()
    assert not Asset.objects.exists()


def test_a_caption_may_be_followed_at_once_while_a_change_of_it_is_indexed(changed: Asset) -> None:
    """A decision numbers vectors within its own transaction."""
    frame_id = changed.frames.get().pk
    with indexing_meanwhile(frame_id):
        index_within([frame_id])
    assert not Embedding.objects.filter(number=None).exists()
    assert AssetColumns.objects.get(asset=changed).public == 0
