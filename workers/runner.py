"""A stage's loop: claim a batch, prepare the next one meanwhile, work, wake the next stage, until all is done.

One message starts the loop and hundreds of pictures end it: its budget of time is what bounds it, so that a
task is never near its time limit and a worker that is told to stop does so soon.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from workers import claims, pipeline, services
from workers.claims import Claim
from workers.pipeline import Stage

TIME_BUDGET_S = 45.0
#: On a slow machine batches shrink to this, so that none is ever near the time limit of its task.
MAX_BATCH_S = 30.0

_log = logging.getLogger(__name__)
_looping: dict[str, threading.Lock] = {stage.name: threading.Lock() for stage in pipeline.EVERY_STAGE}


@dataclass(frozen=True)
class Lane:
    """How one task goes through its stage.

    prepare: starts what can be done ahead (in threads) for a claim; its answer is handed to `work`, which does the
    claim and settles it: each subject is finished or failed when it returns.
    """

    stage: Stage
    batch_size: int
    work: Callable[[Claim, Any], None]
    prepare: Callable[[Claim], Any] = lambda claim: None
    express: bool = False
    look_ahead: bool = False


def drain(lane: Lane, *, budget_s: float = TIME_BUDGET_S) -> int:
    """Work through what is pending; returns how many subjects were in hand.

    Queues itself again where the budget ended first. Where the same stage is at work in this process already (a
    pool of threads), that loop does it all.
    """
    lock = _looping[lane.stage.name]
    if not lock.acquire(blocking=False):
        return 0
    try:
        services.heal()
        claims.release_leftovers(lane.stage)
        return _loop(lane, time.monotonic() + budget_s)
    finally:
        lock.release()


def _loop(lane: Lane, deadline: float) -> int:
    handled = 0
    size = lane.batch_size
    current = _claim(lane, size)
    while current is not None:
        claim, prepared = current
        in_time = time.monotonic() < deadline
        # A suspect is never in hand beside others: should it kill the worker, they would be blamed too.
        look_ahead = lane.look_ahead and in_time and not claim.alone
        ahead = _claim(lane, size, suspects=False) if look_ahead else None
        started = time.monotonic()
        going_on = _work(lane, claim, prepared)
        size = _next_size(lane, len(claim.subject_ids), time.monotonic() - started)
        handled += len(claim.subject_ids)
        if not going_on:
            if ahead is not None:
                claims.give_back(ahead[0])
            break
        if ahead is None and time.monotonic() >= deadline:
            _queue_again(lane)
            break
        current = ahead or _claim(lane, size)
    return handled


def _next_size(lane: Lane, subjects: int, took_s: float) -> int:
    affordable = int(MAX_BATCH_S / max(took_s / subjects, 1e-6))
    return max(1, min(lane.batch_size, affordable))


def _queue_again(lane: Lane) -> None:
    (pipeline.wake_express if lane.express else pipeline.wake)(lane.stage)


def _claim(lane: Lane, size: int, *, suspects: bool = True) -> tuple[Claim, Any] | None:
    claim = claims.claim(lane.stage, size, express=lane.express, suspects=suspects)
    return (claim, lane.prepare(claim)) if claim else None


def _work(lane: Lane, claim: Claim, prepared: Any) -> bool:
    """Do one claim, record what went wrong with it. False where going on makes no sense now."""
    try:
        lane.work(claim, prepared)
    except Exception as error:
        _log.exception("%s of %s subjects failed", lane.stage.name, len(claim.subject_ids))
        claims.fail(
            lane.stage, dict.fromkeys(claim.subject_ids, error), whole_batch=len(claim.subject_ids) > 1
        )
        # What strikes a batch and is not its fault would strike the next one, too.
        return not isinstance(error, claims.HEALS)
    following = pipeline.after(lane.stage)
    if following is not None:
        pipeline.wake(following)
    return True
