"""The order of the stages, written once, and the doors' way to set them going.

    frames (cpu) -> describe (gpu; fresh single uploads: interactive) -> index (index, one writer) -> text (enrich)

Rows say what is to do: a stage's work is a query (`workers.selectors.todo`), so a message may be lost, come
twice or come late, and nothing is lost, done twice or forgotten. Doors call these functions on commit.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.auth.models import AbstractBaseUser, User
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from captioning import versions
from captioning.learning import check_ready
from captioning.models import Promotion
from captioning.recaptioning import Selection
from core.errors import Conflict
from core.locks import take_turn
from library.accounts import shut_account
from library.models import Asset, Frame
from workers import messages
from workers.interactive import caption_picture as caption_picture
from workers.interactive import encode_query_image as encode_query_image
from workers.models import Job, StageRun
from workers.models import RecaptionRun as RecaptionRun
from workers.purses import spend as spend
from workers.purses import window_left_s as window_left_s
from workers.rewording import followed_at_once as followed_at_once
from workers.rewording import wipe_captions as wipe_captions

State = Job.State
#: The turn of those that begin a job unless there is one.
_STARTING = "starting-jobs"
_NOT_CANCELLED = (Job.Kind.FOLLOW_CAPTIONER, Job.Kind.DELETE_ACCOUNT)


@dataclass(frozen=True)
class Stage:
    """One step of every picture's way. `subject` is what its ids name."""

    name: str
    queue: str
    subject: type[Asset] | type[Frame]
    express_queue: str | None = None

    @property
    def task(self) -> str:
        return f"workers.{self.name}"

    @property
    def express_task(self) -> str:
        return f"workers.{self.name}_express"


FRAMES = Stage("frames", queue="cpu", subject=Asset)
DESCRIBE = Stage("describe", queue="gpu", subject=Frame, express_queue="interactive")
INDEX = Stage("index", queue="index", subject=Frame)
TEXT = Stage("text", queue="enrich", subject=Frame)
#: The way of a photo until it can be searched.
STAGES: tuple[Stage, ...] = (FRAMES, DESCRIBE, INDEX)
#: And what costs too much to be waited for. A photo is done without it, and well though it fails.
EVERY_STAGE: tuple[Stage, ...] = (*STAGES, TEXT)

#: What may take hours, and keeps no photo waiting: rebuilding, following a captioner, the work of the night.
JOBS_QUEUE = "jobs"
RUN_JOBS_TASK = "workers.run_jobs"
#: What sites' items wait for: their words encoded; and what waits for others on the network, which may be slow.
ITEMS_TASK, ITEMS_QUEUE = "workers.items", "gpu"
ERRANDS_TASK, ERRANDS_QUEUE = "workers.errands", "errands"

#: The queues that people wait for: `interactive` also answers searches by image and captions on demand.
AWAITED_QUEUES: tuple[str, ...] = ("cpu", "gpu", "interactive", "index")
#: Every queue that some worker has to serve.
QUEUES: tuple[str, ...] = (*AWAITED_QUEUES, "enrich", JOBS_QUEUE, ERRANDS_QUEUE)
#: So many uploads a minute of one owner overtake bulk imports; the rest of a flood waits its turn.
EXPRESS_PER_MINUTE = 12


def stage_named(name: str) -> Stage:
    """The stage of that name; KeyError where there is none."""
    return {stage.name: stage for stage in EVERY_STAGE}[name]


def after(stage: Stage) -> Stage | None:
    """The stage that follows, if any."""
    position = EVERY_STAGE.index(stage)
    return EVERY_STAGE[position + 1] if position + 1 < len(EVERY_STAGE) else None


def wake(stage: Stage | str | None = None) -> bool:
    """Tell the workers of a stage (None: of all that lead to searching) that rows are waiting.

    False where Redis is away: the rows are there, and the sweep finds them. Never raises, and takes a web
    request at most `messages.PATIENCE_S`.
    """
    if stage is None:
        sent = [wake(each) for each in STAGES]  # a list: every one is woken, whatever became of the first
        return all(sent)
    found = stage_named(stage) if isinstance(stage, str) else stage
    return messages.send(found.task, found.queue)


def wake_express(stage: Stage) -> bool:
    """Tell the express lane of a stage that a fresh upload is waiting; stages without one are woken as usual."""
    if stage.express_queue is None:
        return wake(stage)
    return messages.send(stage.express_task, stage.express_queue)


def added(assets: Sequence[Asset]) -> None:
    """Somebody uploaded these by hand: let them overtake bulk imports, within reason, and wake the workers.

    Importers of folders and archives call `wake` instead, and so wait their turn.
    """
    if not assets:
        return
    owner = assets[0].owner_id
    if messages.allows(f"express:{owner}", len(assets), limit=EXPRESS_PER_MINUTE, window_s=60):
        ask_for(FRAMES, [asset.pk for asset in assets], express=True)
    wake()


def caption_changed(frame: Frame) -> None:
    """A person wrote or took back a caption: its vector and the keyword documents follow, soon."""
    ask_for(DESCRIBE, [frame.pk], express=True)
    wake_express(DESCRIBE)


def promote_captioner(
    model_id: str, user: AbstractBaseUser | None = None, *, force: bool = False
) -> Promotion:
    """`captioning.versions.promote`, and the job that follows: it pauses runs of others, and embeds what stands now."""
    versions.keep(model_id)
    with transaction.atomic():  # neither is without the other
        promotion = versions.promote(model_id, user=user, force=force)
        start_job(Job.Kind.FOLLOW_CAPTIONER)
    return promotion


def roll_back_captioner(user: AbstractBaseUser | None = None) -> Promotion:
    """`captioning.versions.rollback`, likewise."""
    with transaction.atomic():
        promotion = versions.rollback(user=user)
        start_job(Job.Kind.FOLLOW_CAPTIONER)
    return promotion


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


def wake_jobs() -> bool:
    """Tell the workers that a job is waiting."""
    return messages.send(RUN_JOBS_TASK, JOBS_QUEUE)


def wake_items() -> bool:
    """Tell the workers that items of sites changed: words to encode, pictures to fetch, webhooks to call."""
    return all([messages.send(ITEMS_TASK, ITEMS_QUEUE), wake_errands()])


def wake_errands() -> bool:
    """Tell the workers that a picture is to be fetched or a webhook to be called."""
    return messages.send(ERRANDS_TASK, ERRANDS_QUEUE)


def ask_for(
    stage: Stage, subject_ids: Sequence[int], *, express: bool = False, job: Job | None = None
) -> None:
    """Ask a stage to do these subjects, done already or not.

    Those that it has in hand or gave up keep their state; an express wish reaches them all the same.
    """
    rows = [
        StageRun(stage=stage.name, subject_id=each, state=StageRun.State.ASKED, express=express, job=job)
        for each in subject_ids
    ]
    wishes = [name for name, wished in (("express", express), ("job", job)) if wished]
    if wishes:
        StageRun.objects.bulk_create(
            rows, update_conflicts=True, unique_fields=["stage", "subject_id"], update_fields=wishes
        )
    else:
        StageRun.objects.bulk_create(rows, ignore_conflicts=True)


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
