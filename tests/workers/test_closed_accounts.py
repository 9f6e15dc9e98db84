"""People who close their account: a worker deletes what is theirs, whatever comes in between."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from core.errors import Conflict, ModelUnavailable, NotAllowed
from library.asset_store import store_upload
from library.models import Asset
from recommender.models import Site
from tests.library.conftest import files_in
from tests.recommender.sites import site
from tests.workers.conftest import MakeAssets, png
from tests.workers.words import run_stages
from workers import jobs, liveness, pipeline
from workers.models import Job
from workers.tasks import upkeep

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_worker_deletes_all_that_was_theirs(make_assets: MakeAssets, alice: User, settings: Any) -> None:
    theirs = {asset.sha256 for asset in make_assets("red", "blue")}
    run_stages()
    site(alice)
    job = pipeline.close_account(alice)
    assert set(Asset.objects.values_list("visibility", flat=True)) == {"private"}
    assert jobs.run_next() == job
    job.refresh_from_db()
    assert (job.state, job.done, job.total, job.requested_by) == ("done", 2, 2, None)
    assert not any(model.objects.exists() for model in (User, Asset, Site))
    left = " ".join(files_in(Path(settings.MEDIA_ROOT)))
    assert not any(sha256 in left for sha256 in theirs)


def test_it_goes_on_where_its_worker_died(
    make_assets: MakeAssets, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_assets("red", "blue")
    monkeypatch.setattr(jobs, "_PROGRESS_EVERY_S", 0.0)
    job = pipeline.close_account(alice)

    def die(done: int, _: int) -> None:
        if done:
            raise SystemExit

    with monkeypatch.context() as dying:
        dying.setattr(jobs, "_progress_of", lambda _: die)
        with pytest.raises(SystemExit):
            jobs.run_next()
    assert Asset.objects.count() == 1
    jobs.release_orphans({liveness.own_name()})
    assert jobs.run_next() == job
    assert not User.objects.exists()


@pytest.mark.parametrize("after", [0, 1])
def test_one_that_an_administrator_let_come_back_keeps_what_is_left(
    make_assets: MakeAssets, alice: User, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    make_assets("red", "blue")
    job = pipeline.close_account(alice)

    def open_again(done: int, _: int) -> None:
        if done == after:
            User.objects.update(is_active=True)

    monkeypatch.setattr(jobs, "_progress_of", lambda _: open_again)
    jobs.run_next()
    job.refresh_from_db()
    assert (job.state, User.objects.get(), Asset.objects.count()) == ("done", alice, 2 - after)


def test_what_failed_is_tried_again_after_a_while(alice: User) -> None:
    job = pipeline.close_account(alice)
    now = timezone.now()
    for finished_at, again in ((now, 0), (now - timedelta(hours=2), 1)):
        Job.objects.update(state="failed", deliveries=3, finished_at=finished_at)
        assert jobs.retry_deletions() == again
    assert jobs.run_next() == job
    assert not User.objects.exists()


def test_nothing_is_added_to_it(alice: User) -> None:
    pipeline.close_account(alice)
    with pytest.raises(NotAllowed, match="closed"):
        store_upload(alice, png("red"), name="late.png", visibility="public")


def test_its_photos_are_told_to_the_index_anew(make_assets: MakeAssets, alice: User) -> None:
    (asset,) = make_assets("red")
    Asset.objects.update(visibility="public")
    run_stages()
    pipeline.close_account(alice)
    run_stages()
    assert asset.index_columns.public == 0


def test_it_is_not_cancelled(alice: User) -> None:
    with pytest.raises(Conflict, match="can't be cancelled"):
        pipeline.cancel_job(pipeline.close_account(alice))


def test_it_is_tried_again_though_a_model_is_missing(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise ModelUnavailable("Its weights are missing.")

    job = pipeline.close_account(alice)
    Job.objects.update(state="failed", finished_at=timezone.now() - timedelta(hours=2))
    monkeypatch.setattr(jobs, "start_due_rebuild", missing)
    upkeep.sweep()
    job.refresh_from_db()
    assert job.state == "waiting"
