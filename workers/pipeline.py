"""The order of the stages, written once, and the doors' way to set them going.

    frames (cpu) -> describe (gpu; fresh single uploads: interactive) -> index (index, one writer) -> text (enrich)

Rows say what is to do: a stage's work is a query (`workers.selectors.todo`), so a message may be lost, come
twice or come late, and nothing is lost, done twice or forgotten. Doors call these functions on commit.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from captioning import versions
from captioning.models import Promotion
from library.models import Asset, Frame
from workers import messages
from workers.interactive import caption_picture as caption_picture
from workers.interactive import encode_query_image as encode_query_image
from workers.job_requests import JOBS_QUEUE as JOBS_QUEUE
from workers.job_requests import RUN_JOBS_TASK as RUN_JOBS_TASK
from workers.job_requests import cancel_job as cancel_job
from workers.job_requests import cancel_recaption as cancel_recaption
from workers.job_requests import close_account as close_account
from workers.job_requests import pause_recaption as pause_recaption
from workers.job_requests import recaption_runs as recaption_runs
from workers.job_requests import resume_recaption as resume_recaption
from workers.job_requests import start_job as start_job
from workers.job_requests import start_learning as start_learning
from workers.job_requests import start_recaption as start_recaption
from workers.job_requests import wake_jobs as wake_jobs
from workers.models import Job, StageRun
from workers.models import RecaptionRun as RecaptionRun
from workers.purses import spend as spend
from workers.purses import window_left_s as window_left_s
from workers.rewording import followed_at_once as followed_at_once
from workers.rewording import wipe_captions as wipe_captions


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
