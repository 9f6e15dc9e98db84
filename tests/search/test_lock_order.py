"""Stages that touch the same photo at once wait for one another, and never for ever."""

from threading import Event, Thread

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction

from library.asset_store import set_unsafe_scores
from search import embeddings
from search.active import active_model_id
from search.models import AssetColumns
from search.services import index_frames
from tests.search.listed_rows import unit_vectors
from tests.search.photos import photo

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(60)]


def test_a_photo_may_be_described_again_while_a_change_of_it_is_indexed(alice: User) -> None:
    """Describing locks vectors, then assets."""
    asset = photo(alice, "a red picture")
    frame_id = asset.frames.get().pk
    asset.visibility = "private"
    asset.save()
    asked, failed = Event(), list[BaseException]()

    def index() -> None:
        try:
            asked.set()
            index_frames([frame_id])
        except BaseException as error:
            failed.append(error)
        finally:
            connection.close()

    indexing = Thread(target=index)
    with transaction.atomic():
        embeddings.record("image", active_model_id("image"), [frame_id], unit_vectors(1, 7))
        indexing.start()
        asked.wait()
        indexing.join(0.5)  # it gets as far as it can
        set_unsafe_scores({asset.pk: 0.1})
    indexing.join()
    assert not failed
    assert AssetColumns.objects.get(asset=asset).public == 0
