"""Two captioners, one library and a real worker that is never restarted: promoted, run, paused, rolled back, wiped."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from captioning.models import Caption
from config.stack.processes import Child
from library.models import Asset, Frame
from search.services import search_text
from tests.captioning.checkpoints import CAPTIONER, save_version
from tests.workers.conftest import MakeAssets
from tests.workers.waiting import QUEUES, all_done, until
from tests.workers.words import captioner, said, said_text, search_agrees
from workers import pipeline
from workers.models import Job, StageRun
from workers.tasks import upkeep

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

IN_TWOS = {
    "BACKBONE": "tests.workers.deadly.SlowBackbone",
    "SLOW_BATCH_S": "0",
    "DESCRIBE_BATCH_SIZE": "2",
    "CAPTIONER": CAPTIONER,
    "CAPTIONER_MODEL_ID": "",
}


def settled() -> bool:
    """Nothing is asked for, at work or waiting: what stands now stays."""
    under_way = Job.objects.filter(state__in=["waiting", "running"]).exists()
    return not under_way and not StageRun.objects.exists() and all_done()


@contextmanager
def stopped_after(batches: int, told: Path) -> Iterator[None]:
    """The worker describes so many batches, and goes on with the next one at the end."""
    told.write_text(str(batches))
    yield
    told.unlink()


def frames_of(assets: list[Asset]) -> list[Frame]:
    return list(Frame.objects.filter(asset__in=assets))


def by_elm(assets: list[Asset]) -> int:
    return Caption.objects.filter(frame__asset__in=assets, text__endswith="elm").count()


def test_two_captioners_and_one_library(
    redis: Any,
    start_worker: Callable[..., Child],
    make_assets: MakeAssets,
    alice: User,
    settings: Any,
    tmp_path: Path,
) -> None:
    settings.CAPTIONER, settings.CAPTIONER_MODEL_ID = CAPTIONER, None
    models = {word: save_version(tmp_path / word, word, cider=0.9).model_id for word in ("oak", "elm")}
    for word, model_id in models.items():
        captioner("register", tmp_path / word)
        assert model_id in captioner("list")
    captioner("promote", models["oak"])
    old = make_assets(*["red", "blue", "green", "white"] * 5)
    start_worker(*QUEUES, env=IN_TWOS | {"BATCHES_LEFT": str(tmp_path / "left")})
    pipeline.wake()
    until(settled, meanwhile=upkeep.sweep)
    assert {said(frame) for frame in frames_of(old)} == {"oak"}

    # The running worker follows the promotion; what is there stays as it is.
    captioner("promote", models["elm"], "--by", "alice")
    (new,) = make_assets("purple")
    pipeline.added([new])
    until(settled, meanwhile=upkeep.sweep)
    assert said(new.frames.get()) == "elm"
    assert {said(frame) for frame in frames_of(old)} == {"oak"}
    assert search_text(alice, "elm").matches[0].asset_id == new.pk

    # A run is paused in the middle, and search is right for what it has done and for what it has not.
    with stopped_after(1, tmp_path / "left"):
        assert "20 photos at" in captioner("recaption", "--all", "--yes")
        until(lambda: by_elm(old) >= 2, meanwhile=pipeline.wake)
        assert "is paused" in captioner("pause")
    until(settled, meanwhile=upkeep.sweep)
    assert 2 <= by_elm(old) < 20
    assert all(search_agrees(frame, said_text(frame)) for frame in frames_of(old))
    captioner("resume")
    until(settled, meanwhile=upkeep.sweep)
    assert "done, 20 of 20" in captioner("runs")
    assert all(said(frame) == "elm" and search_agrees(frame, said_text(frame)) for frame in frames_of(old))
    found = Frame.objects.get(asset=search_text(alice, "green elm").matches[0].asset_id)
    assert said_text(found) == "a green picture, said by elm"
    assert Caption.objects.filter(frame__asset__in=old, model_id=models["oak"]).count() == 20

    captioner("rollback")
    until(settled, meanwhile=upkeep.sweep)
    assert {said(frame) for frame in frames_of(old)} == {"oak"}
    assert said(new.frames.get()) == "elm"
    assert all(search_agrees(frame, said_text(frame)) for frame in frames_of([*old, new]))

    assert "21 captions are deleted" in captioner("wipe", models["elm"], "--yes")
    until(settled, meanwhile=upkeep.sweep)
    assert {said(frame) for frame in frames_of([*old, new])} == {"oak"}
    assert all(search_agrees(frame, said_text(frame)) for frame in frames_of([*old, new]))
