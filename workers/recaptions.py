"""Runs that caption photos again: asking the describe stage for the next chunk, and telling how far it is.

The describe stage takes such wishes after everything else, so uploads overtake them. A run belongs to one version:
it is paused as soon as another one is active.
"""

import logging

from celery.exceptions import SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from captioning.active import active_caption_model_id
from captioning.recaptioning import Selection, frames_to_caption
from core.errors import Conflict, ModelUnavailable
from workers import pipeline
from workers.models import Job, RecaptionRun, StageRun

#: So many frames are asked for at once, and more when fewer than half of them are left.
CHUNK = 1000
#: After these all runs wait for the next time.
_NO_RUNS_FAULT = (SoftTimeLimitExceeded, OperationalError, InterfaceError)
_GIVEN_UP = [StageRun.State.FAILED, StageRun.State.PARKED]

State = Job.State
_log = logging.getLogger(__name__)


def begin(job: Job) -> None:
    """Count the frames of a run that starts, and ask for the first; the sweep and the describe stage go on with it."""
    run = job.recaption
    values: dict[str, object] = {"worker": "", "heartbeat_at": timezone.now()}
    if not run.asked:
        values["total"] = frames_to_caption(Selection.from_json(run.selection), run.version.model_id).count()
    # It may have been paused since: its state is not ours to write.
    Job.objects.filter(pk=job.pk).update(**values)
    follow()


def follow() -> None:
    """Bring every run forward: note its progress, ask for more, end it, or pause it for another captioner."""
    runs = RecaptionRun.objects.filter(job__state=State.RUNNING, job__worker="")
    for run in runs.select_related("job", "version"):
        try:
            _follow(run)
        except Conflict as error:  # somebody paused or ended it at this moment
            _log.info("recaption run %s: %s", run.pk, error)
        except _NO_RUNS_FAULT:
            raise
        except Exception as error:  # it is not to stop the others, nor the sweep that comes by
            _log.exception("recaption run %s failed", run.pk)
            told = f"{type(error).__name__}: {error}"[:2000]
            Job.objects.filter(pk=run.job_id, state=State.RUNNING).update(
                state=State.FAILED, error=told, finished_at=timezone.now()
            )


def pause_overtaken() -> None:
    """Pause runs whose version is no longer the active one."""
    active = active_caption_model_id()
    runs = RecaptionRun.objects.filter(job__state__in=[State.WAITING, State.RUNNING])
    for run in runs.exclude(version__model_id=active).select_related("version"):
        pipeline.pause_recaption(run, f"Another captioner was promoted: {active}.")


def _follow(run: RecaptionRun) -> None:
    try:
        overtaken = run.version.model_id != active_caption_model_id()
    except ModelUnavailable:  # the describe stage waits for a model, and so does this
        return
    if overtaken:
        pause_overtaken()
        return
    left = _left_of(run).count()
    more = left < CHUNK // 2 and _ask_for_more(run)
    if more:
        pipeline.wake(pipeline.DESCRIBE)
    _note(run, exhausted=left == 0 and not more)


def _ask_for_more(run: RecaptionRun) -> bool:
    """Hand the next chunk to the describe stage; False where no frame is left to ask for."""
    with transaction.atomic():
        if not Job.objects.select_for_update().filter(pk=run.job_id, state=State.RUNNING).exists():
            raise Conflict("It runs no more.")
        run.refresh_from_db(fields=["next_below", "asked", "selection"])
        frames = frames_to_caption(Selection.from_json(run.selection), run.version.model_id)
        if run.next_below is not None:
            frames = frames.filter(pk__lt=run.next_below)
        frame_ids = list(frames.order_by("-pk").values_list("pk", flat=True)[:CHUNK])
        if not frame_ids:
            return False
        # What failed under a former model, or before a repair, gets another try.
        failed = StageRun.objects.filter(stage=pipeline.DESCRIBE.name, subject_id__in=frame_ids)
        failed.filter(state=StageRun.State.FAILED).delete()
        pipeline.ask_for(pipeline.DESCRIBE, frame_ids, job=run.job)
        RecaptionRun.objects.filter(pk=run.pk).update(
            next_below=frame_ids[-1], asked=F("asked") + len(frame_ids)
        )
    return True


def _left_of(run: RecaptionRun) -> QuerySet[StageRun]:
    return StageRun.objects.filter(job=run.job_id).exclude(state__in=_GIVEN_UP)


def _note(run: RecaptionRun, *, exhausted: bool) -> None:
    with transaction.atomic():
        job = Job.objects.select_for_update().get(pk=run.job_id)
        run.refresh_from_db(fields=["asked"])
        # Counted under the lock: several processes follow a run, and an older count must not overwrite a newer one.
        left = _left_of(run).count()
        failed = StageRun.objects.filter(job=run.job_id, state__in=_GIVEN_UP).count()
        run.failed, job.done = failed, max(run.asked - left - failed, 0)
        job.total, job.heartbeat_at = max(job.total, run.asked), timezone.now()
        if exhausted and left == 0 and job.state == State.RUNNING:
            job.state, job.finished_at = State.DONE, timezone.now()
            job.total = run.asked  # some may have been deleted, or captioned otherwise, meanwhile
            job.error = f"{failed} pictures could not be captioned: see the stage runs." if failed else ""
        run.save(update_fields=["failed"])
        job.save(update_fields=["done", "total", "heartbeat_at", "state", "finished_at", "error"])
