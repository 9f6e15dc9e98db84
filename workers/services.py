"""What people and the sweep do to the run records: heal what died, try again what failed, drop what is gone."""

from collections.abc import Iterable
from functools import partial

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from workers import claims, jobs, liveness, pipeline
from workers.models import StageRun
from workers.pipeline import EVERY_STAGE


def heal() -> int:
    """Take back everything that dead workers held. Returns how many claims and jobs that were."""
    dead = liveness.dead_workers()
    healed = claims.release_orphans(dead) + jobs.release_orphans(dead)
    liveness.forget(dead)
    return healed


def retry(runs: QuerySet[StageRun]) -> int:
    """Try failed, parked and backed-off subjects again, now and as if for the first time; one by one if suspect."""
    State = StageRun.State
    stuck = runs.filter(state__in=[State.FAILED, State.PARKED, State.RETRY])
    stages = set(stuck.values_list("stage", flat=True))
    count = stuck.update(state=State.ASKED, attempts=0, deliveries=0, alone=True, not_before=None, error="")
    _wake_on_commit(stages)
    return count


def drop_orphaned_records() -> int:
    """Forget the run records of assets and frames that were deleted."""
    dropped = 0
    for stage in EVERY_STAGE:
        subject = stage.subject.objects.filter(pk=OuterRef("subject_id"))
        gone = StageRun.objects.filter(~Exists(subject), stage=stage.name).exclude(
            state=StageRun.State.RUNNING
        )
        dropped += gone.delete()[0]
    return dropped


def _wake_on_commit(stages: Iterable[str]) -> None:
    for stage in stages:
        transaction.on_commit(partial(pipeline.wake, stage))
