"""What each stage does with a claim. Their order is in workers/pipeline.py, their loop in workers/runner.py."""

import os
from functools import cache
from typing import Any

from django.conf import settings
from django.db import transaction

import library.frames
import search.services
from core.errors import ModelUnavailable
from library.models import Asset, Frame
from workers import claims, describe, errands, pipeline, reading, selectors
from workers.claims import Claim
from workers.models import StageRun
from workers.runner import Lane

_FRAMES_BATCH = 50
_INDEX_BATCH = 500
#: One web upload's worth: small enough that the next visitor's picture does not wait long behind it.
_EXPRESS_BATCH = 4
#: Each is a second or so of one processor.
_TEXT_BATCH = 4
#: Then whatever else its worker serves has its turn: describing loses a tenth of its pace at most.
TEXT_BUDGET_S = 5.0
#: How far bulk work steps back (of 19) for pages and fresh uploads that want the same processors.
_NICENESS = 10


def lane_of(stage: pipeline.Stage, *, express: bool = False) -> Lane:
    """How the tasks go through a stage."""
    if stage == pipeline.FRAMES:
        return Lane(stage, _FRAMES_BATCH, _make_frames)
    if stage == pipeline.INDEX:
        return Lane(stage, _INDEX_BATCH, _index)
    if stage == pipeline.TEXT:
        return Lane(stage, _TEXT_BATCH, _read_texts)
    return Lane(
        stage,
        batch_size=min(_EXPRESS_BATCH, settings.DESCRIBE_BATCH_SIZE)
        if express
        else settings.DESCRIBE_BATCH_SIZE,
        work=describe.describe,
        prepare=describe.decode_ahead,
        express=express,
        look_ahead=not express,
    )


def step_back() -> None:
    """Let pages and fresh uploads go first on a busy processor, once per process."""
    _step_back(os.getpid())


@cache
def _step_back(pid: int) -> None:
    if os.nice(0) < _NICENESS:
        os.nice(_NICENESS - os.nice(0))


def _make_frames(claim: Claim, _: Any) -> None:
    errors: dict[int, Exception] = {}
    express = set(
        StageRun.objects.filter(
            stage=claim.stage.name, subject_id__in=claim.subject_ids, express=True
        ).values_list("subject_id", flat=True)
    )
    # In the order of upload, so that the newest picture's frame is the newest, too.
    for asset in Asset.objects.filter(pk__in=claim.subject_ids).order_by("pk"):
        try:
            _make_frames_of(asset, express=asset.pk in express)
        except Exception as error:
            errors[asset.pk] = error
    claims.fail(claim.stage, errors)
    claims.finish(claim.stage, set(claim.subject_ids) - set(errors))
    if express:
        pipeline.wake_express(pipeline.DESCRIBE)


def _make_frames_of(asset: Asset, *, express: bool) -> None:
    # One transaction: were a frame seen before the wish, the ordinary lane could take it first.
    with transaction.atomic():
        frames = library.frames.make_frames(asset)
        if express:
            pipeline.ask_for(pipeline.DESCRIBE, _undescribed(frames), express=True)


def _undescribed(frames: list[Frame]) -> list[int]:
    """Those that wait to be described: an upload that was quicker than its wish is not described again."""
    try:
        return list(
            selectors.todo(pipeline.DESCRIBE)
            .filter(pk__in=[frame.pk for frame in frames])
            .values_list("pk", flat=True)
        )
    except ModelUnavailable:  # nobody can hurry
        return []


def _read_texts(claim: Claim, _: Any) -> None:
    errors = reading.read_frames(claim.subject_ids)
    claims.fail(claim.stage, errors)
    claims.finish(claim.stage, set(claim.subject_ids) - set(errors))


def _index(claim: Claim, _: Any) -> None:
    search.services.index_frames(claim.subject_ids)
    errands.tell_sites(claim.subject_ids)
    claims.finish(claim.stage, claim.subject_ids)
