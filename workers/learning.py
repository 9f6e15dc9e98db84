"""Learning again, as a job: a process of its own trains for hours, and workers go on with what is waiting.

The process takes the job over from the worker that started it, under a name of its own, so that its death is seen
like a worker's and the job is taken up again. It ends with that worker, leaves a checkpoint, and the next one goes on
there. It never promotes: what it made is registered with its figures.
"""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError, close_old_connections, connection
from django.db.models import F
from django.utils import timezone

from captioning import learning
from captioning.caption_export import reviewed_since
from core.errors import SightlineError, Unavailable
from workers import liveness, pipeline
from workers.models import Job

COMMAND = "learn_from_reviews"
_START_TIMEOUT_S = 240.0
_WATCH_EVERY_S = 2.0
_LOG_TAIL_CHARS = 1000

State = Job.State
_log = logging.getLogger(__name__)
#: Interrupted, and no try lost: the next worker goes on.
_BACK: dict[str, Any] = {"state": State.WAITING, "deliveries": F("deliveries") - 1}
#: Kept to be reaped: a dead child stays a zombie until its parent asks.
_children: list[subprocess.Popen[bytes]] = []


def begin(job: Job) -> None:
    """Start the process for a job that this worker holds; returns once it has taken the job over."""
    learning.base_dataset()  # what is set wrong is told at once
    run = run_of(job.pk)
    run.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), COMMAND, str(job.pk), job.worker]
    with (run / "log.txt").open("ab") as log:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
    _children[:] = [one for one in [*_children, child] if one.poll() is None]
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline:
        if not Job.objects.filter(pk=job.pk, worker=job.worker).exists():
            return
        if child.poll() is not None:
            break
        time.sleep(0.2)
    child.kill()
    child.wait()
    told = (run / "log.txt").read_text("utf-8", errors="replace")[-_LOG_TAIL_CHARS:]
    raise Unavailable(f"The process that trains could not be started: {told}")


def start_if_due() -> Job | None:
    """Ask for a run where the settings want one now: so long after the last, and after so many new reviews."""
    every_h, runs = settings.LEARN_AGAIN_EVERY_H, Job.objects.filter(kind=Job.Kind.LEARN_AGAIN)
    if not every_h:
        return None
    last = runs.order_by("-pk").first()
    if last and last.created_at > timezone.now() - timedelta(hours=every_h):
        return None
    if runs.filter(state__in=[State.WAITING, State.RUNNING]).exists():
        return None
    learned = runs.filter(state=State.DONE).order_by("-pk").first()
    if reviewed_since(learned.created_at if learned else None) < settings.LEARN_AGAIN_MIN_REVIEWS:
        return None
    return pipeline.start_learning()


def run_of(job_id: int) -> Path:
    """The folder in which a job trains."""
    return Path(settings.VAR_DIR) / "runs" / "learn-again" / str(job_id)


def take_over(job_id: int, worker: str) -> None:
    """What the process does: train, measure, register, and settle the job, unless it is somebody else's by now."""
    own = liveness.own_name()
    held = Job.objects.filter(pk=job_id, state=State.RUNNING)
    if not held.filter(worker=worker).update(worker=own, heartbeat_at=timezone.now()):
        _log.info("job %s is no longer ours to run", job_id)
        return
    mine = held.filter(worker=own)
    # Who was started in the background may have been born deaf to it.
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    watch = _Watch(job_id, own, parent=os.getppid())
    watch.start()
    verdict: dict[str, Any]
    try:
        learned = learning.learn_again(run_of(job_id), learning.base_dataset(), watch.told)
    except KeyboardInterrupt:
        verdict = _BACK
    except Exception as error:
        _log.exception("job %s failed", job_id)
        message = str(error) if isinstance(error, SightlineError) else f"{type(error).__name__}: {error}"
        verdict = {"state": State.FAILED, "error": message[:2000], "finished_at": timezone.now()}
    else:
        verdict = _BACK if learned is None else _ended(learned)
    watch.stop()
    signal.signal(signal.SIGINT, former)
    mine.update(worker="", **verdict)


def _ended(learned: learning.Learned) -> dict[str, Any]:
    note = "" if learned.version else learned.told
    return {"state": State.DONE, "error": note, "done": F("total"), "finished_at": timezone.now()}


class _Watch(threading.Thread):
    """Tells the job's row how far training is, and training when the job was taken away or the worker is gone."""

    def __init__(self, job_id: int, own: str, *, parent: int) -> None:
        super().__init__(name="watch-job", daemon=True)
        self.held = Job.objects.filter(pk=job_id, state=State.RUNNING, worker=own)
        self.run_dir, self.parent = run_of(job_id), parent
        self.done = self.total = 0
        self.ended = threading.Event()
        self.saved_at_start = self._saved_step()

    def told(self, done: int, total: int) -> None:
        """Called by training after each step."""
        self.done, self.total = done, total

    def run(self) -> None:
        while not self.ended.wait(_WATCH_EVERY_S):
            try:
                over = os.getppid() != self.parent or not self._note()
            except (OperationalError, InterfaceError) as error:  # a database that restarts ends no training
                _log.warning("The job can't be told how far it is: %s", error)
                connection.close()
                continue
            if over:
                os.kill(os.getpid(), signal.SIGINT)
                break
        connection.close()

    def stop(self) -> None:
        """Write the last figures; nothing is written from here on."""
        self.ended.set()
        self.join()
        close_old_connections()  # this thread's may have rested for hours
        self._note()

    def _note(self) -> bool:
        values: dict[str, Any] = {"heartbeat_at": timezone.now()}
        if self.total:
            values |= {"done": self.done, "total": self.total}
        if self._saved_step() > self.saved_at_start:
            values["deliveries"] = 1  # whoever gets on is not what kills workers
        return bool(self.held.update(**values))

    def _saved_step(self) -> int:
        try:
            return int(json.loads((self.run_dir / "progress.json").read_text("utf-8"))["step"])
        except (OSError, ValueError, KeyError):
            return 0
