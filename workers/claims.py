"""Claims: who holds which subjects, what becomes of them, and what a dead worker left behind.

A claim is a batch of run records in state *running*. It ends by `finish` (the rows go), by `fail` (each row
tells why and when to try again), by `give_back`, or by the death of its worker, which `release_orphans` settles.
"""

import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from core.errors import Conflict, InvalidInput, Unavailable
from workers import liveness, selectors
from workers.models import StageRun
from workers.pipeline import Stage

#: Longer than any task may run (STAGE_TIME_LIMIT_S), so that no claim ends under a worker that lives.
LEASE_S = 330
#: So long an express wish is left to the express lane; then the ordinary lane takes it too.
EXPRESS_GRACE_S = 30
#: A subject that was in the hands of so many dying workers is put aside for a person to look at.
MAX_DEATHS = 3
#: Tries that end in an error nobody foresaw.
MAX_ATTEMPTS = 4
BACKOFF_S = 5
MAX_BACKOFF_S = 600
#: Nothing is wrong with the subject: a model, the disk, the database or another holder of a lock is in the way.
HEALS = (Unavailable, Conflict, OperationalError, InterfaceError, OSError)

State = StageRun.State
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Claim:
    """Subjects of one stage that this process holds. `alone`: one suspect, to be tried by itself."""

    stage: Stage
    subject_ids: tuple[int, ...]
    alone: bool = False

    def __bool__(self) -> bool:
        return bool(self.subject_ids)


def claim(stage: Stage, limit: int, *, express: bool = False, suspects: bool = True) -> Claim:
    """Take up to `limit` subjects for this process; an empty claim where nothing is to do.

    Suspects come first and one by one: a picture that kills its worker must not take others with it again.
    Then express wishes that waited too long and retries; then what is new, the newest first; then the wishes of
    jobs. `express` takes express wishes only; `suspects=False` leaves suspects for later.
    """
    with transaction.atomic():
        due = _within_lane(stage, express=express).select_for_update(skip_locked=True)
        suspect = due.filter(alone=True).order_by("pk").first() if suspects else None
        if suspect is not None:
            return _take(stage, [suspect], [], alone=True)
        due = due.filter(alone=False).order_by("pk")
        rows = list(due.filter(express=True)[:limit])
        if express:
            return _take(stage, rows, [])
        due = due.filter(express=False)
        rows += due.filter(state=State.RETRY)[: limit - len(rows)]
        fresh = _lock_untried(stage, limit - len(rows))
        rows += due.filter(state=State.ASKED)[: limit - len(rows) - len(fresh)]
        return _take(stage, rows, fresh)


def finish(stage: Stage, subject_ids: Iterable[int]) -> None:
    """These are done: nothing more to say about them."""
    _held(stage, subject_ids).delete()


def fail(stage: Stage, errors: Mapping[int, Exception], *, whole_batch: bool = False) -> None:
    """Record why subjects were not done, and when to try them again, if ever.

    `whole_batch`: the error struck the batch, so that nobody knows whose fault it was.
    """
    now = timezone.now()
    rows = {row.subject_id: row for row in _held(stage, errors)}
    for subject_id, row in rows.items():
        _set_verdict(row, errors[subject_id], now, whole_batch=whole_batch)
    StageRun.objects.bulk_update(
        rows.values(),
        ["state", "attempts", "alone", "not_before", "claimed_until", "worker", "error", "updated_at"],
    )


def give_back(claim: Claim) -> None:
    """Return subjects untouched, as if they had not been claimed."""
    _held(claim.stage, claim.subject_ids).update(
        state=State.RETRY, deliveries=F("deliveries") - 1, not_before=None, claimed_until=None, worker=""
    )


def release_leftovers(stage: Stage) -> None:
    """Give back what this process still holds of a stage it is not working on: an error cut its task short."""
    mine = StageRun.objects.filter(stage=stage.name, state=State.RUNNING, worker=liveness.own_name())
    left = list(mine.values_list("subject_id", flat=True))
    if left:
        fail(stage, dict.fromkeys(left, Unavailable("The task was cut short, most likely by the database.")))


def release_orphans(dead: Collection[str]) -> int:
    """Give back what dead workers held, and park what has killed too many. Returns how many claims were freed."""
    now = timezone.now()
    with transaction.atomic():
        orphans = list(
            StageRun.objects.select_for_update(skip_locked=True)
            .filter(state=State.RUNNING)
            .filter(Q(worker__in=dead) | Q(claimed_until__lt=now))
        )
        for row in orphans:
            _set_orphaned(row, now)
        StageRun.objects.bulk_update(
            orphans, ["state", "alone", "not_before", "claimed_until", "worker", "error", "updated_at"]
        )
    return len(orphans)


def _within_lane(stage: Stage, *, express: bool) -> QuerySet[StageRun]:
    due = selectors.due(stage)
    if express:
        return due.filter(express=True)
    if stage.express_queue is None:
        return due
    return due.exclude(express=True, created_at__gt=timezone.now() - timedelta(seconds=EXPRESS_GRACE_S))


def _lock_untried(stage: Stage, limit: int) -> list[int]:
    """Ids of subjects to do that no other claim can take before this transaction ends."""
    if limit <= 0:
        return []
    newest = selectors.untried(stage).order_by("-pk")
    locked: QuerySet[Any] = newest.select_for_update(skip_locked=True, of=("self",), no_key=True)
    ids = [subject.pk for subject in locked.only("pk")[:limit]]
    # PostgreSQL chose them by a snapshot from before it had the locks: look again, now that nobody can interfere.
    still = set(selectors.untried(stage).filter(pk__in=ids).values_list("pk", flat=True))
    return [subject_id for subject_id in ids if subject_id in still]


def _take(stage: Stage, rows: list[StageRun], fresh: list[int], *, alone: bool = False) -> Claim:
    now = timezone.now()
    held = {
        "state": State.RUNNING,
        "worker": liveness.own_name(),
        "claimed_until": now + timedelta(seconds=LEASE_S),
    }
    StageRun.objects.filter(pk__in=[row.pk for row in rows]).update(
        **held, deliveries=F("deliveries") + 1, not_before=None, updated_at=now
    )
    # Somebody may wish for one at this very moment: the wish stays, and is claimed in its turn.
    StageRun.objects.bulk_create(
        (StageRun(stage=stage.name, subject_id=each, deliveries=1, **held) for each in fresh),
        ignore_conflicts=True,
    )
    ours = set(_held(stage, fresh).values_list("subject_id", flat=True)) if fresh else set()
    taken = [subject_id for subject_id in fresh if subject_id in ours]
    return Claim(stage, tuple([row.subject_id for row in rows] + taken), alone)


def _held(stage: Stage, subject_ids: Iterable[int]) -> QuerySet[StageRun]:
    """Rows of this process only: what was given to another in the meantime is no longer ours to judge."""
    return StageRun.objects.filter(
        stage=stage.name, subject_id__in=list(subject_ids), state=State.RUNNING, worker=liveness.own_name()
    )


def _set_verdict(row: StageRun, error: Exception, now: datetime, *, whole_batch: bool) -> None:
    row.attempts += 1
    row.error = f"{type(error).__name__}: {error}"[:2000]
    row.worker, row.claimed_until, row.updated_at = "", None, now
    heals = isinstance(error, HEALS)
    hopeless = isinstance(error, InvalidInput) or (not heals and row.attempts >= MAX_ATTEMPTS)
    if hopeless and not whole_batch:
        row.state, row.not_before = State.FAILED, None
        return
    row.state = State.RETRY
    row.alone = row.alone or not heals
    backoff_s = 0 if whole_batch and not heals else min(BACKOFF_S * 2 ** (row.attempts - 1), MAX_BACKOFF_S)
    row.not_before = now + timedelta(seconds=backoff_s)


def _set_orphaned(row: StageRun, now: datetime) -> None:
    row.state, row.alone, row.not_before, row.updated_at = State.RETRY, True, now, now
    row.error = f"Its worker {row.worker} died over it or a neighbour ({row.deaths} so far)."
    row.worker, row.claimed_until = "", None
    if row.deaths >= MAX_DEATHS:
        row.state, row.not_before = State.PARKED, None
        row.error = f"Parked: {row.deaths} workers died over it."
        _log.error("%s of %s is parked: %s workers died over it", row.stage, row.subject_id, row.deaths)
