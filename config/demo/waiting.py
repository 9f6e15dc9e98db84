"""How far the photos of one owner have come, and a bar that shows it."""

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Exists, OuterRef, QuerySet
from tqdm import tqdm

from config.stack.stack import Stack
from library.models import Asset
from workers.models import StageRun
from workers.pipeline import DESCRIBE, FRAMES, STAGES, Stage
from workers.selectors import todo

_GIVEN_UP = (StageRun.State.FAILED, StageRun.State.PARKED)


@dataclass(frozen=True)
class Standing:
    """Counts of one owner's photos."""

    total: int
    captioned: int
    searchable: int
    failed: int

    @property
    def complete(self) -> bool:
        return self.searchable + self.failed >= self.total


def standing_of(owner: User) -> Standing:
    total = Asset.objects.filter(owner=owner).count()
    left = {stage: _open(stage, owner).count() for stage in STAGES}
    failed = sum(_given_up(stage, owner).count() for stage in STAGES)
    return Standing(total, total - left[FRAMES] - left[DESCRIBE], total - sum(left.values()), failed)


def failures_of(owner: User) -> list[str]:
    """One line per photo that no worker could finish."""
    lines = []
    for stage in STAGES:
        subjects = _given_up(stage, owner).values("pk")
        for run in StageRun.objects.filter(stage=stage.name, subject_id__in=subjects):
            lines.append(f"{stage.name} of {run.subject_id}: {run.error}")
    return lines


def _trouble() -> str | None:
    """Why the last picture that was tried is to be tried again."""
    retries = StageRun.objects.filter(state=StageRun.State.RETRY).exclude(error="").order_by("-updated_at")
    error = retries.values_list("error", flat=True).first()
    return error.strip().splitlines()[0][:300] if error else None


def wait_until_searchable(stack: Stack, owner: User) -> Standing:
    """Shows a bar until every photo is captioned and searchable, or was given up."""
    standing, told = standing_of(owner), None
    with tqdm(total=standing.total, initial=standing.searchable, unit="photo", desc="Searchable") as bar:

        def complete() -> bool:
            nonlocal standing, told
            standing = standing_of(owner)
            bar.set_postfix(captioned=standing.captioned, failed=standing.failed, refresh=False)
            bar.n = standing.searchable
            bar.refresh()
            if (trouble := _trouble()) and trouble != told:
                bar.write(f"Trying again: {trouble}  (logs in {stack.log_dir})")
                told = trouble
            return standing.complete

        stack.wait_until(complete, every_s=1.0)
    connection.close()  # nothing more to ask of it while the site runs
    return standing


def _open(stage: Stage, owner: User) -> "QuerySet[Any]":
    return todo(stage).filter(**{"owner" if stage.subject is Asset else "asset__owner": owner})


def _given_up(stage: Stage, owner: User) -> "QuerySet[Any]":
    runs = StageRun.objects.filter(stage=stage.name, subject_id=OuterRef("pk"), state__in=_GIVEN_UP)
    return _open(stage, owner).filter(Exists(runs))
