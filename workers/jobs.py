"""Long jobs with progress: rebuilding the index, captioning photos again. One at a time, resumed after a death."""

import logging
import time
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

import search.selectors
import search.services
from core.errors import Conflict
from core.progress import Progress, Stopped
from library import accounts
from recommender import interactions, learned_behaviour
from workers import learning, liveness, pipeline, recaptions, rewording
from workers.models import Job

MAX_DELIVERIES = 3
_PROGRESS_EVERY_S = 0.5
#: So long a job may be silent, as one that trains cells or verifies is, where nobody here can tell whether its worker
#: lives.
_SILENCE = timedelta(hours=6)
#: What failed or was cancelled is not begun anew by itself before that.
_AGAIN_AFTER = timedelta(hours=1)
#: Other jobs are few, and somebody asked for them: they stay.
_LEARNING_KEPT = timedelta(days=30)

State = Job.State
_log = logging.getLogger(__name__)


def run_next() -> Job | None:
    """Run the job that waits longest, to its end; None where none can be run now."""
    job = _claim()
    if job is None:
        return None
    try:
        _RUNNERS[Job.Kind(job.kind)](job)
    except Conflict as error:  # somebody rebuilds by command: that was no try, and the sweep asks again
        _leave(job, state=State.WAITING, deliveries=job.deliveries - 1, error=str(error))
        return None
    except Stopped:
        _log.info("job %s was cancelled", job.pk)
    except Exception as error:
        _log.exception("job %s failed", job.pk)
        told = f"{type(error).__name__}: {error}"[:2000]
        _leave(job, state=State.FAILED, error=told, finished_at=timezone.now())
    return job


def release_orphans(dead: Collection[str]) -> int:
    """Let jobs whose worker died be taken up again, or fail after three deaths. Returns how many that were."""
    silent = Q(heartbeat_at__lt=timezone.now() - _SILENCE)
    with transaction.atomic():
        held = Job.objects.select_for_update(skip_locked=True).filter(state=State.RUNNING).exclude(worker="")
        suspects = held.filter(Q(worker__in=dead) | silent)
        orphans = [job for job in suspects if job.worker in dead or not liveness.lives(job.worker)]
        for job in orphans:
            if job.deliveries >= MAX_DELIVERIES:
                error = f"{job.deliveries} workers died over it."
                job.change(state=State.FAILED, worker="", error=error, finished_at=timezone.now())
            else:
                job.change(state=State.WAITING, worker="")
    return len(orphans)


def start_due_rebuild() -> Job | None:
    """Start a rebuild where the tail of unsealed vectors has grown long, unless one failed or was cancelled of late."""
    ended = Job.objects.filter(kind=Job.Kind.REBUILD_INDEX, state__in=[State.FAILED, State.CANCELLED])
    if ended.filter(finished_at__gt=timezone.now() - _AGAIN_AFTER).exists():
        return None
    return pipeline.start_job(Job.Kind.REBUILD_INDEX) if search.selectors.spaces_due_for_rebuild() else None


def retry_deletions() -> int:
    """Let accounts that were closed, and could not be deleted of late, be tried again; how many."""
    failed = Job.objects.filter(
        kind=Job.Kind.DELETE_ACCOUNT,
        state=State.FAILED,
        finished_at__lt=timezone.now() - _AGAIN_AFTER,
        requested_by__is_active=False,
    )
    return failed.update(state=State.WAITING, deliveries=0, finished_at=None)


def start_due_learning() -> Job | None:
    """Learn from visitors where something was done since the last time, or is to be forgotten."""
    due = learned_behaviour.anything_to_learn() or interactions.any_outdated()
    return pipeline.start_job(Job.Kind.LEARN_BEHAVIOUR) if due else None


def drop_outdated() -> int:
    """Removes the jobs by which visitors are followed, of which a busy site makes a hundred a day; how many."""
    before = timezone.now() - _LEARNING_KEPT
    return Job.objects.filter(kind=Job.Kind.LEARN_BEHAVIOUR, finished_at__lt=before).delete()[0]


def waiting() -> bool:
    """Whether a job waits for a worker."""
    return Job.objects.filter(state=State.WAITING).exists()


def _claim() -> Job | None:
    with transaction.atomic():
        open_jobs = (
            Job.objects.select_for_update().filter(state__in=[State.WAITING, State.RUNNING]).order_by("pk")
        )
        jobs = list(open_jobs)
        if any(job.state == State.RUNNING and job.worker and job.kind not in _BESIDE for job in jobs):
            return None
        job = next((job for job in jobs if job.state == State.WAITING), None)
        if job is not None:
            now = timezone.now()
            job.change(state=State.RUNNING, worker=liveness.own_name(), heartbeat_at=now, error="")
            job.change(deliveries=job.deliveries + 1)
    return job


def _rebuild_index(job: Job) -> None:
    search.services.rebuild_index(progress=_progress_of(job))
    _end(job)


def _follow_captioner(job: Job) -> None:
    """After a promotion or a rollback: runs of another version pause, and search reads the words that stand now."""
    recaptions.pause_overtaken()
    rewording.follow_standing(_progress_of(job))
    _end(job)
    pipeline.wake()


def _learn_behaviour(job: Job) -> None:
    """What visitors of sites did is learned from anew; what is too old is dropped before."""
    interactions.drop_outdated()
    learned_behaviour.learn_all(_progress_of(job), ends=(SoftTimeLimitExceeded,))
    _end(job)


def _delete_account(job: Job) -> None:
    owner = job.requested_by
    if owner is not None:
        accounts.delete_shut_account(owner, _progress_of(job))
    _end(job)


#: Done by processes of their own, while workers go on with other jobs.
_BESIDE = (Job.Kind.LEARN_AGAIN,)
_RUNNERS: dict[Job.Kind, Callable[[Job], None]] = {
    Job.Kind.REBUILD_INDEX: _rebuild_index,
    Job.Kind.RECAPTION: recaptions.begin,
    Job.Kind.FOLLOW_CAPTIONER: _follow_captioner,
    Job.Kind.LEARN_AGAIN: learning.begin,
    Job.Kind.LEARN_BEHAVIOUR: _learn_behaviour,
    Job.Kind.DELETE_ACCOUNT: _delete_account,
}


def _end(job: Job) -> None:
    _leave(job, state=State.DONE, done=F("total"), finished_at=timezone.now())


def _leave(job: Job, **values: Any) -> None:
    """Says how it ended here, unless it is this worker's no more: cancelled, or taken up by another one."""
    _still_ours(job).update(worker="", **values)


def _still_ours(job: Job) -> QuerySet[Job]:
    return Job.objects.filter(pk=job.pk, state=State.RUNNING, worker=job.worker)


def _progress_of(job: Job) -> Progress:
    """Writes progress to the row, not more often than a person can read; Stopped where the job is cancelled."""
    last = 0.0

    def progress(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _PROGRESS_EVERY_S or done >= total:
            last = time.monotonic()
            if not _still_ours(job).update(done=done, total=total, heartbeat_at=timezone.now()):
                raise Stopped

    return progress
