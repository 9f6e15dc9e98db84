"""Long jobs that somebody ends for good."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

import search.selectors
import search.services
from captioning.recaptioning import Selection
from core.errors import Conflict
from search.models import Generation
from tests.workers.conftest import MakeAssets
from tests.workers.words import run_stages
from workers import jobs, pipeline
from workers.models import Job

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_rebuild_at_work_stops_and_leaves_the_index_as_it_was(
    make_assets: MakeAssets, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_assets("red", "blue", "green")
    run_stages()
    search.services.rebuild_index()
    live = set(Generation.objects.filter(state="live").values_list("file_name", flat=True))
    monkeypatch.setattr(jobs, "_PROGRESS_EVERY_S", 0.0)
    monkeypatch.setattr("search.rows._CHUNK", 1)
    job = pipeline.start_job("rebuild_index")
    following = pipeline.start_job("learn_behaviour")
    told = jobs._progress_of

    def cancelled_on_the_way(job: Job) -> Any:
        progress = told(job)

        def then(done: int, total: int) -> None:
            if done == 2:
                pipeline.cancel_job(job)
            progress(done, total)

        return then

    monkeypatch.setattr(jobs, "_progress_of", cancelled_on_the_way)
    assert jobs.run_next() == job
    job.refresh_from_db()
    assert (job.state, job.done, job.worker, job.error) == ("cancelled", 1, "", "")
    assert set(Generation.objects.filter(state="live").values_list("file_name", flat=True)) == live
    with pytest.raises(Conflict, match="is cancelled"):
        pipeline.cancel_job(job)
    monkeypatch.setattr(jobs, "_progress_of", told)
    assert jobs.run_next() == following
    following.refresh_from_db()
    assert following.state == "done"


def test_one_that_was_cancelled_while_it_was_checked_is_not_published(
    make_assets: MakeAssets, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_assets("red", "blue")
    run_stages()
    monkeypatch.setattr(jobs, "_PROGRESS_EVERY_S", 0.0)
    monkeypatch.setattr(
        "search.index.faiss.rebuilding._verify", lambda *_: pipeline.cancel_job(Job.objects.latest("pk"))
    )
    pipeline.start_job("rebuild_index")
    jobs.run_next()
    assert not Generation.objects.filter(state="live").exists()


def test_one_that_nobody_wants_is_not_begun_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search.selectors, "spaces_due_for_rebuild", lambda: ["image"])
    job = pipeline.start_job("rebuild_index")
    pipeline.cancel_job(job)
    assert jobs.start_due_rebuild() is None
    Job.objects.update(finished_at=timezone.now() - timedelta(hours=2))
    assert jobs.start_due_rebuild() is not None


def test_one_that_ends_or_fails_meanwhile_stays_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    def rebuild(**_: Any) -> None:
        pipeline.cancel_job(Job.objects.latest("pk"))

    def fail(**_: Any) -> None:
        rebuild()
        raise OSError("No space left on device")

    for doing in (rebuild, fail):
        monkeypatch.setattr(search.services, "rebuild_index", doing)
        job = pipeline.start_job("rebuild_index")
        jobs.run_next()
        job.refresh_from_db()
        assert (job.state, job.error) == ("cancelled", "")


def test_one_that_another_worker_took_up_is_left_to_that(monkeypatch: pytest.MonkeyPatch) -> None:
    def overtaken(**_: Any) -> None:
        Job.objects.update(worker="another")

    monkeypatch.setattr(search.services, "rebuild_index", overtaken)
    job = pipeline.start_job("rebuild_index")
    jobs.run_next()
    job.refresh_from_db()
    assert (job.state, job.worker) == ("running", "another")


def test_what_follows_a_captioner_is_not() -> None:
    job = pipeline.start_job("follow_captioner")
    with pytest.raises(Conflict, match="can't be cancelled"):
        pipeline.cancel_job(job)


def test_a_run_over_photos_is_by_its_job(make_assets: MakeAssets) -> None:
    make_assets("red")
    run_stages()
    run = pipeline.start_recaption(Selection())
    pipeline.cancel_job(run.job)
    run.job.refresh_from_db()
    assert run.job.state == "cancelled"
