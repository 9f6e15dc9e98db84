"""Long jobs: begun once, followed, resumed after a death, and failed with a reason."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils import timezone

import search.selectors
import search.services
from captioning import versions
from captioning.models import Caption
from captioning.recaptioning import Selection
from core.errors import Conflict
from recommender import learned_behaviour
from recommender.models import LearnedBehaviour, Site
from search.models import Generation
from tests.recommender.shop import did, put
from tests.recommender.sites import site
from tests.workers.conftest import MakeAssets
from tests.workers.words import run_stages
from workers import jobs, liveness, pipeline, runner, stages
from workers.celery import STAGE_TIME_LIMIT_S, UPKEEP_TIME_LIMIT_S, app
from workers.models import Job, StageRun
from workers.tasks import upkeep

pytestmark = pytest.mark.django_db(transaction=True)
#: Long enough for somebody else to have gone on, where nothing keeps them.
_A_MOMENT_S = 0.3


def test_the_index_is_rebuilt_with_progress(make_assets: MakeAssets, alice: User) -> None:
    make_assets("red", "blue", "green")
    run_stages()
    job = pipeline.start_job("rebuild_index", alice)
    upkeep.run_jobs()
    job.refresh_from_db()
    assert (job.state, job.error, job.requested_by) == ("done", "", alice)
    assert job.done == job.total == 6, "three frames in two spaces"
    assert Generation.objects.filter(state="live").count() == 2
    assert job.finished_at is not None


def test_a_job_under_way_is_not_started_twice(db: None) -> None:
    first = pipeline.start_job("rebuild_index")
    assert pipeline.start_job("rebuild_index") == first
    assert pipeline.start_job("follow_captioner") != first


class TestAtTheSameMoment:
    """Somebody begins one while another's beginning is not committed yet."""

    def test_a_job_is_started_once(self) -> None:
        assert len(set(both(lambda: pipeline.start_job("rebuild_index").pk))) == 1
        assert Job.objects.count() == 1

    def test_photos_are_captioned_again_once(self, make_assets: MakeAssets) -> None:
        make_assets("red")
        run_stages()
        versions.active_version()  # whose first row nobody waits for
        first, second = both(lambda: started(lambda: pipeline.start_recaption(Selection()).pk))
        assert isinstance(first, int)
        assert "let it end" in second
        assert Job.objects.count() == 1

    def test_what_waits_does_not_begin_before_what_it_is_to_see(self) -> None:
        waiting = pipeline.start_job("follow_captioner")
        with ThreadPoolExecutor(1) as beside:
            with transaction.atomic():
                assert pipeline.start_job("follow_captioner") == waiting
                claimed = beside.submit(with_own_connection, jobs.run_next)
                wait([claimed], timeout=_A_MOMENT_S)
                waiting.refresh_from_db()
                assert waiting.state == "waiting"
            assert claimed.result() == waiting


def both(begin: Callable[[], Any]) -> tuple[Any, Any]:
    """What this gives in a transaction that is not over, and meanwhile to somebody else."""
    with ThreadPoolExecutor(1) as beside:
        with transaction.atomic():
            first = begin()
            second = beside.submit(with_own_connection, begin)
            wait([second], timeout=_A_MOMENT_S)
        return first, second.result()


def started(begin: Callable[[], Any]) -> Any:
    try:
        return begin()
    except Conflict as error:
        return str(error)


def with_own_connection(act: Callable[[], Any]) -> Any:
    try:
        return act()
    finally:
        connection.close()


def test_each_job_has_a_task_of_its_own(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that takes all the time there is leaves none of it to the next, which would be blamed."""
    woken: list[str] = []
    first, second = pipeline.start_job("learn_behaviour"), pipeline.start_job("follow_captioner")
    monkeypatch.setattr(pipeline, "wake_jobs", lambda: woken.append("jobs"))
    for states in (["done", "waiting"], ["done", "done"]):
        upkeep.run_jobs()
        assert [Job.objects.get(pk=job.pk).state for job in (first, second)] == states
    assert woken == ["jobs"]


def test_an_unknown_kind_is_refused(db: None) -> None:
    with pytest.raises(ValueError, match="burn_everything"):
        pipeline.start_job("burn_everything")


def test_a_job_that_fails_says_why(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: Any) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(search.services, "rebuild_index", fail)
    job = pipeline.start_job("rebuild_index")
    upkeep.run_jobs()
    job.refresh_from_db()
    assert (job.state, job.error) == ("failed", "OSError: No space left on device")


def test_a_job_waits_while_somebody_rebuilds_by_command(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(**_: Any) -> None:
        raise Conflict("Another process holds the lock.")

    monkeypatch.setattr(search.services, "rebuild_index", busy)
    job = pipeline.start_job("rebuild_index")
    upkeep.run_jobs()
    job.refresh_from_db()
    assert (job.state, job.deliveries) == ("waiting", 0)
    monkeypatch.undo()
    upkeep.run_jobs()
    job.refresh_from_db()
    assert job.state == "done"


def test_a_job_whose_worker_died_is_resumed_and_fails_after_three(db: None) -> None:
    job = pipeline.start_job("rebuild_index")
    for death in range(jobs.MAX_DELIVERIES):
        Job.objects.filter(pk=job.pk).update(state="running", worker="gone", deliveries=death + 1)
        assert jobs.release_orphans({"gone"}) == 1
        job.refresh_from_db()
        assert job.state == ("waiting" if death < 2 else "failed")
    assert job.error == "3 workers died over it."


def test_a_job_that_is_silent_for_longer_than_it_may_run_is_resumed(db: None) -> None:
    job = pipeline.start_job("rebuild_index")
    Job.objects.update(state="running", worker="far-away", deliveries=1, heartbeat_at=timezone.now())
    assert jobs.release_orphans(set()) == 0
    Job.objects.update(heartbeat_at=timezone.now() - jobs._SILENCE - timedelta(seconds=1))
    assert jobs.release_orphans(set()) == 1
    job.refresh_from_db()
    assert job.state == "waiting"


def test_a_job_whose_worker_lives_here_may_be_silent(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Training and verifying millions of vectors takes longer than any silence that would tell a death."""
    monkeypatch.setattr(
        liveness, "_self", None
    )  # a test before may have registered this process in a folder of its own
    pipeline.start_job("rebuild_index")
    long_ago = timezone.now() - jobs._SILENCE - timedelta(seconds=1)
    Job.objects.update(state="running", worker=liveness.own_name(), deliveries=1, heartbeat_at=long_ago)
    assert jobs.release_orphans(set()) == 0


def test_one_job_at_a_time(db: None) -> None:
    pipeline.start_job("rebuild_index")
    Job.objects.update(state="running", worker="another")
    pipeline.start_recaption(Selection())
    assert jobs.run_next() is None


def test_everything_is_captioned_again_and_new_uploads_go_first(
    make_assets: MakeAssets, settings: Any
) -> None:
    settings.DESCRIBE_BATCH_SIZE = 2
    old = make_assets("red", "blue", "green")
    run_stages()
    Caption.objects.update(text="nonsense")
    job = pipeline.start_recaption(Selection(again=True)).job
    upkeep.run_jobs()
    (new,) = make_assets("white")
    runner.drain(stages.lane_of(pipeline.FRAMES))
    runner.drain(stages.lane_of(pipeline.DESCRIBE), budget_s=-1)
    assert Caption.objects.filter(frame__asset=new).exists()
    upkeep.sweep()
    job.refresh_from_db()
    assert (job.state, job.done, job.total) == ("running", 1, 3)
    runner.drain(stages.lane_of(pipeline.DESCRIBE))
    upkeep.sweep()
    job.refresh_from_db()
    assert (job.state, job.done) == ("done", 3)
    assert not Caption.objects.filter(text="nonsense").exists()
    assert Caption.objects.filter(frame__asset__in=old).count() == 3


def test_a_recaption_job_ends_and_tells_of_pictures_that_failed(make_assets: MakeAssets) -> None:
    make_assets("red", "blue")
    run_stages()
    job = pipeline.start_recaption(Selection(again=True)).job
    upkeep.run_jobs()
    broken = StageRun.objects.filter(stage="describe").first()
    assert broken is not None
    StageRun.objects.filter(pk=broken.pk).update(state="failed")
    runner.drain(stages.lane_of(pipeline.DESCRIBE))
    upkeep.sweep()
    job.refresh_from_db()
    assert job.state == "done"
    assert job.error.startswith("1 pictures could not be captioned")


def test_visitors_are_learned_from_when_they_did_something(alice: User) -> None:
    shop = site(alice)
    put(shop, sofa="a red sofa", lamp="a blue lamp")
    upkeep.follow_visitors()
    assert not Job.objects.exists()
    did(shop, "v1", "click", "sofa", "lamp")
    upkeep.follow_visitors()
    upkeep.run_jobs()
    job = Job.objects.get()
    assert (job.kind, job.state, job.error) == ("learn_behaviour", "done", "")
    assert job.done == job.total == 1, "one site"
    assert LearnedBehaviour.objects.get(site=shop).interactions == 2
    upkeep.follow_visitors()
    assert Job.objects.count() == 1


def test_counting_experiments_has_its_time_and_keeps_no_photo_waiting() -> None:
    assert app.conf.beat_schedule["follow_visitors"]["options"]["queue"] == pipeline.JOBS_QUEUE
    assert upkeep.follow_visitors.time_limit == UPKEEP_TIME_LIMIT_S > STAGE_TIME_LIMIT_S


class TestOneSiteThatCanNotBeLearned:
    @pytest.fixture
    def sites(self, alice: User) -> tuple[Site, Site]:
        made = site(alice, "first"), site(alice, "second")
        for each in made:
            put(each, sofa="a red sofa")
            did(each, "v1", "click", "sofa")
        return made

    def learn(self, monkeypatch: pytest.MonkeyPatch, first: Site, error: Exception) -> Job:
        """A job of learning over which this happens to the first site."""
        whole = learned_behaviour.learn

        def learn(of: Site) -> LearnedBehaviour:
            if of == first:
                raise error
            return whole(of)

        monkeypatch.setattr(learned_behaviour, "learn", learn)
        upkeep.follow_visitors()
        upkeep.run_jobs()
        return Job.objects.get()

    def test_the_others_are_learned_and_the_job_says_what_failed(
        self, sites: tuple[Site, Site], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = self.learn(monkeypatch, sites[0], ValueError("no such kind"))
        assert [one.site for one in LearnedBehaviour.objects.all()] == [sites[1]]
        assert (job.state, job.done) == ("failed", 2)
        assert "first (ValueError('no such kind'))" in job.error
        assert "second" not in job.error

    def test_a_job_whose_time_is_up_ends_at_once(
        self, sites: tuple[Site, Site], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = self.learn(monkeypatch, sites[0], SoftTimeLimitExceeded())
        assert not LearnedBehaviour.objects.exists()
        assert (job.state, job.done) == ("failed", 0)
        assert "SoftTimeLimitExceeded" in job.error
