"""The order of the stages, written once, and the doors' way to set them going.

    frames (cpu) -> describe (gpu; fresh single uploads: interactive) -> index (index, one writer)

Rows say what is to do: a stage's work is a query (`workers.selectors.todo`), so a message may be lost, come
twice or come late, and nothing is lost, done twice or forgotten. Doors call these functions on commit.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from library.models import Asset, Frame
from workers import messages
from workers.interactive import caption_picture as caption_picture
from workers.interactive import encode_query_image as encode_query_image
from workers.models import Job, StageRun


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
STAGES: tuple[Stage, ...] = (FRAMES, DESCRIBE, INDEX)

#: Every queue that some worker has to serve; `interactive` also answers searches by image and captions on demand.
QUEUES: tuple[str, ...] = ("cpu", "gpu", "index", "interactive")

RUN_JOBS_TASK, RUN_JOBS_QUEUE = "workers.run_jobs", "cpu"
#: So many uploads a minute of one owner overtake bulk imports; the rest of a flood waits its turn.
EXPRESS_PER_MINUTE = 12


def stage_named(name: str) -> Stage:
    """The stage of that name; KeyError where there is none."""
    return {stage.name: stage for stage in STAGES}[name]


def after(stage: Stage) -> Stage | None:
    """The stage that follows, if any."""
    position = STAGES.index(stage)
    return STAGES[position + 1] if position + 1 < len(STAGES) else None


def wake(stage: Stage | str | None = None) -> bool:
    """Tell the workers of a stage (None: of every stage) that rows are waiting.

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
    if messages.spend(f"express:{owner}", len(assets), limit=EXPRESS_PER_MINUTE, window_s=60):
        ask_for(FRAMES, [asset.pk for asset in assets], express=True)
    wake()


def caption_changed(frame: Frame) -> None:
    """A person wrote or took back a caption: its vector and the keyword documents follow, soon."""
    ask_for(DESCRIBE, [frame.pk], express=True)
    wake_express(DESCRIBE)


def start_job(kind: str, user: AbstractBaseUser | None = None) -> Job:
    """A long piece of work, begun by a worker; the one that is under way already, if there is one of this kind."""
    with transaction.atomic():
        job = Job.objects.filter(kind=kind, state__in=[Job.State.WAITING, Job.State.RUNNING]).first()
        job = job or Job.objects.create(kind=Job.Kind(kind), requested_by_id=user.pk if user else None)
        transaction.on_commit(wake_jobs)
    return job


def wake_jobs() -> bool:
    """Tell the workers that a job is waiting."""
    return messages.send(RUN_JOBS_TASK, RUN_JOBS_QUEUE)


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
