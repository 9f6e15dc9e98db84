"""Which frames a run is to caption again, how many they are, and how long that will take."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Exists, OuterRef, QuerySet

from captioning.models import Caption, CaptionerVersion
from captioning.selectors import frames_captioned_by, frames_not_spoken_of
from core.errors import InvalidInput, NotFound
from core.ids import MAX_ID
from library.models import Frame

#: So many captions, the newest ones, tell the pace; fewer than the least tell nothing.
_RECENT, _LEAST = 500, 50
#: A longer pause between two captions was idleness: batches take less (workers.runner.MAX_BATCH_S).
_IDLE_S = 60.0


@dataclass(frozen=True)
class Selection:
    """Frames of one owner (a username), captioned by one model, or of some assets; nothing given: all frames.

    again: also those that the active version has captioned already.
    """

    owner: str = ""
    model_id: str = ""
    asset_ids: tuple[int, ...] = field(default=())
    again: bool = False

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Selection":
        return cls(**{**values, "asset_ids": tuple(values.get("asset_ids", ()))})

    def as_json(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value}

    def __str__(self) -> str:
        parts = [f"of {self.owner}"] if self.owner else []
        parts += [f"captioned by {self.model_id}"] if self.model_id else []
        parts += [f"of {len(self.asset_ids)} chosen assets"] if self.asset_ids else []
        return "frames " + " and ".join(parts) if parts else "all frames"


@dataclass(frozen=True)
class Estimate:
    """What a run will cost. images_per_s is None where nothing was measured; `measured_on` says what was."""

    frames: int
    images_per_s: float | None
    measured_on: str

    @property
    def hours(self) -> float | None:
        return self.frames / self.images_per_s / 3600 if self.images_per_s else None

    def __str__(self) -> str:
        if self.hours is None:
            return f"{self.frames} photos; how long that takes is not known ({self.measured_on})"
        pace = f"{self.images_per_s:.2f} photos/s ({self.measured_on})"
        return f"{self.frames} photos at {pace}: {_duration(self.hours)}"


def estimate(selection: Selection, version: CaptionerVersion) -> Estimate:
    """The cost of captioning a selection by a version. NotFound or InvalidInput where it names nothing."""
    _check(selection)
    frames = frames_to_caption(selection, version.model_id).count()
    measured = captions_per_s(version.model_id)
    if measured is not None:
        return Estimate(frames, measured, "its newest captions here")
    told = version.metrics.get("images_per_s")
    if told:
        return Estimate(frames, float(told), "its evaluation")
    measured = captions_per_s(None)
    return Estimate(frames, measured, "the newest captions of other models" if measured else "no figures yet")


def frames_to_caption(selection: Selection, model_id: str) -> QuerySet[Frame]:
    """The frames of a selection that this model is still to caption.

    Those of which a person spoke, or an import, or whose caption a person accepted, are left alone: the model's
    words would not stand.
    """
    frames = frames_not_spoken_of()
    if not selection.again:
        own = Caption.objects.filter(frame=OuterRef("pk"), source=Caption.Source.MODEL, model_id=model_id)
        frames = frames.filter(~Exists(own))
    if selection.owner:
        frames = frames.filter(asset__owner__username=selection.owner)
    if selection.model_id:
        frames = frames.filter(pk__in=frames_captioned_by(selection.model_id).values("pk"))
    if selection.asset_ids:
        frames = frames.filter(asset_id__in=selection.asset_ids)
    return frames


def captions_per_s(model_id: str | None) -> float | None:
    """Pace at which a model (None: any) wrote its newest captions, idle times left out; None for too few."""
    written = Caption.objects.filter(source=Caption.Source.MODEL)
    if model_id is not None:
        written = written.filter(model_id=model_id)
    times = sorted(written.order_by("-pk").values_list("created_at", flat=True)[:_RECENT])
    gaps = [(after - before).total_seconds() for before, after in pairwise(times)]
    busy = [gap for gap in gaps if gap < _IDLE_S]
    return len(busy) / sum(busy) if len(times) >= _LEAST and sum(busy) > 0 else None


def _check(selection: Selection) -> None:
    if selection.owner and not get_user_model().objects.filter(username=selection.owner).exists():
        raise NotFound(f"There is no user {selection.owner!r}.")
    if (
        selection.model_id
        and not Caption.objects.filter(source=Caption.Source.MODEL, model_id=selection.model_id).exists()
    ):
        raise NotFound(f"No caption was written by {selection.model_id!r}.")
    if not all(0 < asset_id <= MAX_ID for asset_id in selection.asset_ids):
        raise InvalidInput(f"Asset ids are whole numbers from 1 to {MAX_ID}.", field="asset_ids")


def _duration(hours: float) -> str:
    if hours >= 1:
        return f"about {hours:.1f} hours"
    minutes = round(hours * 60)
    return f"about {minutes} minute{'' if minutes == 1 else 's'}" if minutes else "less than a minute"
