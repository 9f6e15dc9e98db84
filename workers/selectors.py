"""What is waiting, running, failed and why: asked of the data first, of the run records second."""

from collections.abc import Iterable
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.utils import timezone

import search.selectors
from captioning.active import active_caption_model_id
from captioning.picture_text import frames_without_text
from captioning.selectors import frames_without_caption
from core.errors import ModelUnavailable, NotFound
from library.models import Asset, Frame
from search.active import active_model_id, spaces
from workers.models import Job, StageRun
from workers.pipeline import DESCRIBE, EVERY_STAGE, FRAMES, STAGES, TEXT, Stage

State = StageRun.State
DONE, WAITING = "done", "waiting"
_JOBS_SHOWN = 50
_WORST_FIRST = [State.FAILED, State.PARKED, State.RETRY, State.RUNNING, WAITING, DONE]


def todo(stage: Stage) -> QuerySet[Any]:
    """Subjects whose data lack what this stage makes. ModelUnavailable where no model is configured."""
    if stage == FRAMES:
        return Asset.objects.filter(~Exists(Frame.objects.filter(asset=OuterRef("pk"))))
    if stage == DESCRIBE:
        active_caption_model_id()  # nobody can do them where there is none
        lacking = frames_without_caption()
        for space in spaces():
            lacking = lacking | search.selectors.frames_without_embedding(space, active_model_id(space))
        return lacking
    if stage == TEXT:
        # What searches know already: the words that stand in it must hold up nobody's finding it.
        return frames_without_text().exclude(asset__keyword_document=None)
    return search.selectors.frames_to_index()


def untried(stage: Stage) -> QuerySet[Any]:
    """Subjects to do that no run record speaks of: neither in hand, nor to be tried again, nor given up."""
    return todo(stage).filter(~Exists(StageRun.objects.filter(stage=stage.name, subject_id=OuterRef("pk"))))


def due(stage: Stage) -> QuerySet[StageRun]:
    """Run records that ask for a try now: wishes, and retries whose time has come."""
    come = Q(state=State.RETRY) & (Q(not_before=None) | Q(not_before__lte=timezone.now()))
    return StageRun.objects.filter(Q(state=State.ASKED) | come, stage=stage.name)


def express_due(stage: Stage) -> bool:
    """Whether an express wish is waiting."""
    return due(stage).filter(express=True).exists()


def pending(stage: Stage) -> bool:
    """Whether a worker of this stage would find anything to do now."""
    return due(stage).exists() or untried(stage).exists()


def queue_counts() -> dict[str, dict[str, int]]:
    """For each stage how many subjects are waiting, running, in retry, failed and parked."""
    rows = StageRun.objects.values_list("stage", "state").annotate(rows=Count("pk"))
    known = {(stage, state): count for stage, state, count in rows}
    return {
        stage.name: {
            "waiting": untried(stage).count() + known.get((stage.name, State.ASKED), 0),
            **{
                state.value: known.get((stage.name, state), 0)
                for state in (State.RUNNING, State.RETRY, State.FAILED, State.PARKED)
            },
        }
        for stage in EVERY_STAGE
    }


def stages_of(asset: Asset) -> dict[str, str]:
    """For each stage until one asset can be searched: done, waiting, running, retry, failed or parked."""
    return stages_of_assets([asset])[asset.pk]


def stages_of_assets(assets: Iterable[Asset]) -> dict[int, dict[str, str]]:
    """`stages_of` for a page of assets, in a few queries however many they are."""
    answer: dict[int, dict[str, str]] = {asset.pk: {} for asset in assets}
    frames_of: dict[int, list[int]] = {asset_id: [] for asset_id in answer}
    for frame_id, asset_id in Frame.objects.filter(asset__in=answer).values_list("pk", "asset_id"):
        frames_of[asset_id].append(frame_id)
    for stage in STAGES:
        subjects_of = frames_of if stage.subject is Frame else {asset_id: [asset_id] for asset_id in answer}
        states = _states(stage, [subject for subjects in subjects_of.values() for subject in subjects])
        for asset_id, so_far in answer.items():
            own = [states[subject] for subject in subjects_of[asset_id]] or [WAITING]
            state = min(own, key=_WORST_FIRST.index)
            # Nothing lacks an index entry before it is described: what comes later can't be done sooner.
            early = state == DONE and any(earlier != DONE for earlier in so_far.values())
            so_far[stage.name] = WAITING if early else state
    return answer


def newest_jobs() -> list[Job]:
    """The newest first."""
    return list(Job.objects.order_by("-pk")[:_JOBS_SHOWN])


def job_with_id(job_id: int) -> Job:
    """One job; NotFound where there is none."""
    job = Job.objects.filter(pk=job_id).first()
    if job is None:
        raise NotFound("There is no such job.")
    return job


def _states(stage: Stage, subject_ids: list[int]) -> dict[int, str]:
    runs = StageRun.objects.filter(stage=stage.name, subject_id__in=subject_ids)
    told = {run.subject_id: WAITING if run.state == State.ASKED else run.state for run in runs}
    try:
        open_ids = set(todo(stage).filter(pk__in=subject_ids).values_list("pk", flat=True))
    except ModelUnavailable:  # nobody can do them now, so they wait
        open_ids = set(subject_ids)
    return {each: told.get(each, WAITING if each in open_ids else DONE) for each in subject_ids}
