"""The colours of a picture: by the names that people give them, for new photos and for old ones."""

from collections.abc import Callable, Iterator
from io import StringIO
from threading import Thread
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from numpy.typing import NDArray

from captioning import colours, unsafe
from captioning.colours import colours_of, frames_of_colour, frames_without_colours, record_colours
from captioning.models import FrameColour
from captioning.vision.colours import COLOURS, MODEL_ID, dominant_colours
from library import storage
from library.asset_store import delete_asset
from library.models import Asset, Frame
from tests.fakes import PALETTE
from tests.pages.conftest import Photo, alice, photo  # noqa: F401 - fixtures
from tests.query_plans import plan_of


def plain(*rgb: int) -> NDArray[np.uint8]:
    return np.full((260, 260, 3), rgb, dtype=np.uint8)


def named(picture: NDArray[np.uint8]) -> list[str]:
    (shares,) = dominant_colours(picture[None])
    return list(shares)


@pytest.mark.parametrize("name", PALETTE)
def test_plain_colours_have_their_names(name: str) -> None:
    assert named(plain(*PALETTE[name][0])) == ["turquoise" if name == "cyan" else name]


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ((139, 69, 19), "brown"),
        ((90, 60, 30), "brown"),
        ((255, 192, 203), "pink"),
        ((255, 105, 180), "pink"),
        ((255, 165, 0), "orange"),
        ((128, 0, 0), "red"),
        ((0, 0, 128), "blue"),
        ((135, 206, 235), "blue"),
        ((64, 224, 208), "turquoise"),
        ((34, 139, 34), "green"),
        ((255, 215, 0), "yellow"),
        ((75, 0, 130), "purple"),
        ((0, 0, 0), "black"),
        ((255, 255, 255), "white"),
        ((120, 120, 125), "grey"),
    ],
)
def test_colours_of_the_web_have_the_names_of_everyday(rgb: tuple[int, int, int], name: str) -> None:
    assert named(plain(*rgb)) == [name]


def test_only_colours_of_which_there_is_much_count_the_greatest_first() -> None:
    picture = plain(220, 30, 30)
    picture[:, :80] = (30, 30, 220)
    picture[:, 80:100] = (30, 200, 30)
    (shares,) = dominant_colours(picture[None])
    assert list(shares) == ["red", "blue"]
    assert shares["blue"] == pytest.approx(80 / 260, abs=0.02)


def test_a_picture_of_many_colours_has_one_all_the_same() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (260, 260, 3), dtype=np.uint8)
    (shares,) = dominant_colours(picture[None])
    assert shares
    assert set(shares) <= set(COLOURS)


@pytest.mark.django_db
def test_colours_of_a_few_photos_are_looked_up_by_their_frames() -> None:
    with CaptureQueriesContext(connection) as asked:
        list(colours_of([1, 2]))
    if connection.vendor == "sqlite":
        assert "frame_id=? AND model_id=?" in plan_of(asked.captured_queries[0]["sql"])


@pytest.mark.django_db(transaction=True)
def test_photos_that_were_described_before_get_their_colours_by_a_command(photo: Photo) -> None:  # noqa: F811
    from library.frames import make_frames

    red, gone = photo("red"), photo("blue")
    for asset in (red, gone):
        make_frames(asset)
    storage.remove_content(Asset.objects.get(pk=gone.pk).sha256)
    changed = dict(Asset.objects.values_list("pk", "updated_at"))
    out = StringIO()
    call_command("find_colours", verbosity=0, stdout=out)
    assert "1 photos done, 1 could not be read." in out.getvalue()
    assert [(one.frame.asset_id, one.model_id) for one in frames_of_colour("red")] == [(red.pk, MODEL_ID)]
    assert [frame.asset_id for frame in frames_without_colours()] == [gone.pk]
    assert Asset.objects.get(pk=red.pk).updated_at > changed[red.pk]  # the index stage reads it again
    assert Asset.objects.get(pk=gone.pk).updated_at == changed[gone.pk]
    record_colours([red.frames.get().pk], [{"green": 1.0}])
    assert [one.name for one in FrameColour.objects.all()] == ["green"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("module", "record", "go_through"),
    [
        (colours, "record_colours", colours.find_missing_colours),
        (unsafe, "record_unsafe", unsafe.score_missing),
    ],
)
def test_a_photo_may_be_deleted_while_it_is_gone_through(
    photo: Photo,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    module: ModuleType,
    record: str,
    go_through: Callable[[], Iterator[Frame]],
) -> None:
    from library.frames import make_frames

    asset = photo("red")
    make_frames(asset)
    recorded = getattr(module, record)

    def delete() -> None:
        delete_asset(asset)
        connection.close()

    deleting = Thread(target=delete)

    def record_while_deleting(*told: Any) -> None:
        deleting.start()
        deleting.join(0.5)
        recorded(*told)

    monkeypatch.setattr(module, record, record_while_deleting)
    assert len(list(go_through())) == 1
    deleting.join()
    assert not Asset.objects.exists()
