"""Which frames are likely unsafe: scored when a frame is described, and afterwards for those that were before."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, Max, OuterRef, QuerySet
from numpy.typing import NDArray

from captioning.models import UnsafeScore
from captioning.vision.pixels import INPUT_SIZE_PX, square_pixels
from captioning.vision.safety import UnsafeScorer
from core import backends
from core.errors import CorruptMedia
from library import asset_store
from library.frames import kept_from_deletion, one_by_one
from library.models import Frame
from library.selectors import open_frame


@dataclass(frozen=True)
class Scored:
    """Scores of N frames in [0, 1], and the model that gave them."""

    model_id: str
    scores: Sequence[float]


def active_scorer_id() -> str | None:
    """Id of the model that scores frames, without loading it; None where the settings want none."""
    return str(backends.named(settings.UNSAFE_SCORER).model_id) if settings.UNSAFE_SCORER else None


def score_unsafe(squares: NDArray[np.uint8]) -> Scored | None:
    """Scores of N pictures, uint8 RGB (N, 260, 260, 3); None without a scorer. ModelUnavailable where it is missing."""
    if not settings.UNSAFE_SCORER:
        return None
    scorer = cast(UnsafeScorer, backends.load(settings.UNSAFE_SCORER))
    return Scored(scorer.model_id, [round(float(score), 4) for score in scorer.score(squares)])


def record_unsafe(frame_ids: Sequence[int], scored: Scored) -> None:
    """Keep a model's scores of these frames in the place of others', and of each asset its most unsafe frame's."""
    with transaction.atomic():
        UnsafeScore.objects.bulk_create(
            [
                UnsafeScore(frame_id=frame_id, model_id=scored.model_id, score=score)
                for frame_id, score in zip(frame_ids, scored.scores, strict=True)
            ],
            update_conflicts=True,
            unique_fields=["frame"],
            update_fields=["model_id", "score"],
        )
        greatest = (
            UnsafeScore.objects.filter(frame__asset__frames__in=list(frame_ids))
            .order_by()
            .values("frame__asset_id")
            .annotate(greatest=Max("score"))
        )
        asset_store.set_unsafe_scores(dict(greatest.values_list("frame__asset_id", "greatest")))


def frames_without_unsafe_score() -> QuerySet[Frame]:
    """Frames that the active scorer has not scored; none where there is no scorer."""
    scorer_id = active_scorer_id()
    if scorer_id is None:
        return Frame.objects.none()
    known = UnsafeScore.objects.filter(frame=OuterRef("pk"), model_id=scorer_id)
    return Frame.objects.filter(~Exists(known)).order_by("pk")


def score_missing() -> Iterator[Frame]:
    """Scores each frame that the active scorer has not, and yields it when it is done or its file can't be read.

    Safe to stop and to begin again.
    """
    for frame in one_by_one(frames_without_unsafe_score()):
        try:
            with open_frame(frame, at_least_px=INPUT_SIZE_PX) as picture:
                scored = score_unsafe(square_pixels(picture)[None])
        except CorruptMedia:
            scored = None
        with transaction.atomic():
            if scored is not None and kept_from_deletion(frame.pk):
                record_unsafe([frame.pk], scored)
        yield frame
