"""The sweep finds what no message told of, and the records tell where everything is."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from core.errors import ModelUnavailable, NotFound
from library import storage
from library.asset_store import delete_asset
from library.models import Asset
from tests.workers.conftest import MakeAssets, MakeFrames
from workers import claims, pipeline, selectors, services
from workers.celery import app
from workers.models import Job, StageRun
from workers.tasks import upkeep

pytestmark = pytest.mark.django_db(transaction=True)


def test_it_wakes_exactly_the_stages_that_have_something_to_do(make_pictures: MakeFrames, redis: Any) -> None:
    make_pictures("red")
    upkeep.sweep()
    assert {queue: redis.llen(queue) for queue in ("cpu", "gpu", "index", "interactive")} == {
        "cpu": 0, "gpu": 1, "index": 0, "interactive": 0,
    }  # fmt: skip


def test_it_wakes_the_express_lane(make_pictures: MakeFrames, redis: Any) -> None:
    (frame,) = make_pictures("red")
    pipeline.ask_for(pipeline.DESCRIBE, [frame.pk], express=True)
    upkeep.sweep()
    assert redis.llen("interactive") == 1


def test_nothing_to_do_sends_nothing(db: None, redis: Any) -> None:
    upkeep.sweep()
    assert redis.keys("*") == []


def test_a_missing_model_does_not_keep_it_from_the_other_stages(
    make_assets: MakeAssets, redis: Any, settings: Any, tmp_path: Any
) -> None:
    make_assets("red")
    settings.CAPTIONER_MODEL_ID, settings.CAPTIONER_CHECKPOINT = None, str(tmp_path)
    with pytest.raises(ModelUnavailable):
        selectors.pending(pipeline.DESCRIBE)
    upkeep.sweep()
    assert redis.llen("cpu") == 1
    assert selectors.stages_of(Asset.objects.get())["describe"] == "waiting"


def test_records_of_deleted_pictures_are_dropped(make_assets: MakeAssets) -> None:
    (asset,) = make_assets("red")
    pipeline.ask_for(pipeline.FRAMES, [asset.pk])
    StageRun.objects.create(stage="describe", subject_id=123456, state="failed")
    delete_asset(asset)
    upkeep.sweep()
    assert not StageRun.objects.exists()


def test_what_is_tried_again_starts_from_nothing_and_alone(make_pictures: MakeFrames, redis: Any) -> None:
    parked, failed, running = make_pictures("red", "blue", "green")
    for frame, state in ((parked, "parked"), (failed, "failed"), (running, "running")):
        StageRun.objects.create(
            stage="describe",
            subject_id=frame.pk,
            state=state,
            attempts=1,
            deliveries=4,
            error="died",
            worker="w",
        )
    assert services.retry(StageRun.objects.all()) == 2
    assert redis.llen("gpu") == 1
    assert StageRun.objects.get(subject_id=running.pk).state == "running"
    for _ in range(2):
        held = claims.claim(pipeline.DESCRIBE, 8)
        assert held.alone
        row = StageRun.objects.get(subject_id=held.subject_ids[0])
        assert (row.deliveries, row.attempts, row.error) == (1, 0, "")


def test_counts_tell_where_everything_is(make_pictures: MakeFrames) -> None:
    frames = make_pictures("red", "blue", "green", "white", "black")
    for frame, state in zip(frames, ("running", "retry", "failed", "parked"), strict=False):
        StageRun.objects.create(stage="describe", subject_id=frame.pk, state=state)
    counts = selectors.queue_counts()
    assert counts["describe"] == {"waiting": 1, "running": 1, "retry": 1, "failed": 1, "parked": 1}
    assert counts["frames"]["waiting"] == counts["index"]["waiting"] == 0


def test_a_page_of_assets_costs_as_many_queries_as_one(make_assets: MakeAssets) -> None:
    assets = make_assets("red", "blue", "green")
    with CaptureQueriesContext(
        connection,
    ) as one:
        selectors.stages_of_assets(assets[:1])
    with CaptureQueriesContext(connection) as many:
        told = selectors.stages_of_assets(assets)
    assert len(many) == len(one)
    assert {tuple(states.values()) for states in told.values()} == {("waiting", "waiting", "waiting")}


def test_an_unknown_job_is_not_found(db: None) -> None:
    with pytest.raises(NotFound):
        selectors.job_with_id(7)


def test_every_night_the_files_of_a_deleted_account_go(make_pictures: MakeFrames) -> None:
    (frame,) = make_pictures("red")
    content = frame.asset.sha256
    frame.asset.owner.delete()
    assert content in set(storage.stored_hashes())
    upkeep.clean_storage()
    assert content not in set(storage.stored_hashes())
    assert app.conf.beat_schedule["clean_storage"]["task"] == upkeep.clean_storage.name


def test_every_hour_pictures_go_that_no_item_shows_any_more(make_pictures: MakeFrames) -> None:
    mine, forsaken = (frame.asset for frame in make_pictures("red", "blue"))
    long_ago = timezone.now() - timedelta(hours=1)
    Asset.objects.filter(pk=forsaken.pk).update(in_gallery=False, created_at=long_ago)
    upkeep.forget_pictures()
    assert Asset.objects.get() == mine
    assert app.conf.beat_schedule["forget_pictures"]["task"] == upkeep.forget_pictures.name


def test_every_night_suggestions_are_counted_and_what_is_old_goes(make_pictures: MakeFrames) -> None:
    make_pictures("red")
    upkeep.count_suggestions()
    long_ago = timezone.now() - timedelta(days=31)
    kinds = [Job.Kind.LEARN_BEHAVIOUR, Job.Kind.REBUILD_INDEX]
    for kind in kinds:
        Job.objects.create(kind=kind, state=Job.State.DONE, finished_at=long_ago)
    Job.objects.create(kind=Job.Kind.LEARN_BEHAVIOUR, state=Job.State.DONE, finished_at=timezone.now())
    Job.objects.create(kind=Job.Kind.LEARN_BEHAVIOUR)
    upkeep.drop_outdated()
    assert Job.objects.filter(kind=Job.Kind.REBUILD_INDEX).count() == 1
    assert Job.objects.filter(kind=Job.Kind.LEARN_BEHAVIOUR).count() == 2
    known = {entry["task"] for entry in app.conf.beat_schedule.values()}
    assert {upkeep.count_suggestions.name, upkeep.drop_outdated.name} <= known
    assert known <= set(app.tasks)
