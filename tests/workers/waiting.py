"""Waiting for workers that are processes of their own."""

import time
from collections.abc import Callable

from library.models import Asset
from workers.models import StageRun
from workers.selectors import stages_of_assets

QUEUES = ("cpu", "gpu", "index", "interactive", "jobs")


def until(
    done: Callable[[], bool], *, timeout_s: float = 200, meanwhile: Callable[[], object] | None = None
) -> None:
    """Waits for what other processes do; fails with what their stages have in hand."""
    deadline = time.monotonic() + timeout_s
    while not done():
        assert time.monotonic() < deadline, list(
            StageRun.objects.values("stage", "subject_id", "state", "error")
        )
        if meanwhile is not None:
            meanwhile()
        time.sleep(0.1)


def all_done() -> bool:
    assets = list(Asset.objects.all())
    return all(set(stages.values()) == {"done"} for stages in stages_of_assets(assets).values())
