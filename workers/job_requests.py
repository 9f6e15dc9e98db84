"""What people ask workers to do for hours: jobs begun, runs of recaption begun, paused, gone on with, ended."""

from django.contrib.auth.models import AbstractBaseUser, User
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from captioning import versions
from captioning.learning import check_ready
from captioning.recaptioning import Selection
from core.errors import Conflict
from core.locks import take_turn
from library.accounts import shut_account
from workers import messages
from workers.models import Job, RecaptionRun, StageRun

State = Job.State
#: What may take hours, and keeps no photo waiting: rebuilding, following a captioner, the work of the night.
JOBS_QUEUE = "jobs"
RUN_JOBS_TASK = "workers.run_jobs"
#: The turn of those that begin a job unless there is one.
_STARTING = "starting-jobs"
_NOT_CANCELLED = (Job.Kind.FOLLOW_CAPTIONER, Job.Kind.DELETE_ACCOUNT)


def wake_jobs() -> bool:
    """Tell the workers that a job is waiting."""
    return messages.send(RUN_JOBS_TASK, JOBS_QUEUE)


def start_job(kind: str, user: AbstractBaseUser | None = None) -> Job:
    """A long piece of work, begun by a worker; the one that is under way already, if there is one of this kind."""
    # What follows a change looks at what is so when it begins: one at work may have begun before this change.
    under_way = [State.WAITING] if kind == Job.Kind.FOLLOW_CAPTIONER else [State.WAITING, State.RUNNING]
    with transaction.atomic():
        take_turn(_STARTING)
        # Locked: a worker begins with one that waits only when what this transaction changes can be seen.
        job = Job.objects.select_for_update().filter(kind=kind, state__in=under_way).first()
        job = job or Job.objects.create(kind=Job.Kind(kind), requested_by_id=user.pk if user else None)
        transaction.on_commit(wake_jobs)
    return job


def close_account(user: User) -> Job:
    """A person leaves: out of sight at once, and a worker deletes all that is theirs, since there may be much of it."""
    with transaction.atomic():
        shut_account(user)
        job = Job.objects.create(kind=Job.Kind.DELETE_ACCOUNT, requested_by=user)
        transaction.on_commit(wake_jobs)
    return job


def start_recaption(selection: Selection, user: AbstractBaseUser | None = None) -> RecaptionRun:
    """Caption a selection of frames again by the active version. Conflict where another such run is not over."""
    with transaction.atomic():
        version = versions.active_version()
        take_turn(_STARTING)
        _refuse_second_run()
        job = Job.objects.create(kind=Job.Kind.RECAPTION, requested_by_id=user.pk if user else None)
        run = RecaptionRun.objects.create(job=job, version=version, selection=selection.as_json())
        transaction.on_commit(wake_jobs)
    return run


def recaption_runs() -> QuerySet[RecaptionRun]:
    """Every run with its job and version, the newest first."""
    return RecaptionRun.objects.select_related("job", "version").order_by("-pk")


def pause_recaption(run: RecaptionRun, reason: str = "") -> None:
    """Stop after the batch at work; what was asked for and not begun is taken back. Conflict unless it runs."""
    with transaction.atomic():
        job = _locked(run, State.WAITING, State.RUNNING)
        _take_back(run)
        job.change(state=State.PAUSED, error=reason)


def resume_recaption(run: RecaptionRun) -> None:
    """Go on where a paused run stood. Conflict where it is not paused, or another captioner is active now."""
    with transaction.atomic():
        job = _locked(run, State.PAUSED)
        if run.version != versions.active_version():
            raise Conflict(
                f"{run.version} is not the active captioner: cancel this run, or promote it again."
            )
        job.change(state=State.WAITING, error="", deliveries=0)
        transaction.on_commit(wake_jobs)


def cancel_recaption(run: RecaptionRun) -> None:
    """End a run for good; what it has captioned stays. Conflict where it is over."""
    with transaction.atomic():
        job = _locked(run, State.WAITING, State.RUNNING, State.PAUSED)
        _take_back(run)
        job.change(state=State.CANCELLED, finished_at=timezone.now())


def start_learning(user: AbstractBaseUser | None = None) -> Job:
    """Have the active captioner go on from what people reviewed; the run under way, if there is one.

    InvalidInput where a setting is missing, nothing was reviewed, or the active captioner is not ours.
    """
    check_ready()
    return start_job(Job.Kind.LEARN_AGAIN, user)


def cancel_job(job: Job) -> None:
    """End a job for good: its worker stops at the next step, while another one may begin with the next job. Nothing of
    it goes live or is registered that has not by then.

    Conflict where it is over; where it follows a change of captioner, without which search would stay behind; and where
    it deletes an account, of which a part may be gone.
    """
    if job.kind == Job.Kind.RECAPTION:
        return cancel_recaption(job.recaption)
    with transaction.atomic():
        job = Job.objects.select_for_update().get(pk=job.pk)
        if job.kind in _NOT_CANCELLED or job.state not in (State.WAITING, State.RUNNING):
            raise Conflict(f"Job {job.pk}, {job.get_kind_display()}, is {job.state}: it can't be cancelled.")
        job.change(state=State.CANCELLED, worker="", finished_at=timezone.now())
        transaction.on_commit(wake_jobs)
    return None


def _refuse_second_run() -> None:
    open_states = [State.WAITING, State.RUNNING, State.PAUSED]
    other = RecaptionRun.objects.filter(job__state__in=open_states).select_related("job").first()
    if other is not None:
        raise Conflict(f"Run {other.pk} is {other.job.state}: let it end, or cancel it first.")


def _locked(run: RecaptionRun, *states: Job.State) -> Job:
    """The run's job, kept as it is until the transaction ends, and the run read anew."""
    job = Job.objects.select_for_update().get(pk=run.job_id)
    run.refresh_from_db()
    if job.state not in states:
        raise Conflict(f"Run {run.pk} is {job.state}.")
    return job


def _take_back(run: RecaptionRun) -> None:
    """Forget the wishes that nobody has begun. Those that others share, or that failed once, stay as their own."""
    runs = StageRun.objects.filter(job=run.job_id, state__in=[StageRun.State.ASKED, StageRun.State.RETRY])
    runs.filter(Q(express=True) | Q(alone=True)).update(job=None)
    waiting = dict(runs.select_for_update().order_by("pk").values_list("pk", "subject_id"))
    if waiting:
        StageRun.objects.filter(pk__in=waiting).delete()
        run.asked -= len(waiting)
        run.next_below = max(waiting.values()) + 1
        run.save(update_fields=["asked", "next_below"])
