"""Which thresholds hold for a model's captions: settings over those that were chosen on `calib` with its weights."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.conf import settings

from captioning.active import SHIPPED_CHECKPOINT, active_captioner
from captioning.captioners.confidence import Logistic, fitted_for
from captioning.models import CaptionerVersion
from captioning.screening import Thresholds
from core.errors import ModelUnavailable


def screen_of(model_id: str) -> tuple[Thresholds, Logistic | None]:
    """The thresholds for one model's captions, and how likely confidence and match say that one is wrong.

    None, and cautious thresholds, for a model that nobody calibrated. ModelUnavailable where its file is damaged.
    """
    fitted = next(filter(None, (fitted_for(folder, model_id) for folder in _folders_of(model_id))), None)
    chosen = Thresholds(**fitted["thresholds"]) if fitted else Thresholds()
    wanted = {name: getattr(settings, f"REVIEW_{name.upper()}") for name in Thresholds.__annotations__}
    thresholds = replace(chosen, **{name: value for name, value in wanted.items() if value is not None})
    return thresholds, Logistic.from_json(fitted["wrong"]) if fitted else None


def _folders_of(model_id: str) -> list[Path]:
    """Where a model's checkpoint may lie; what lies there says whose it is."""
    folders: list[Any] = list(
        CaptionerVersion.objects.filter(model_id=model_id).exclude(folder="").values_list("folder", flat=True)
    )
    with suppress(ModelUnavailable):  # captions of others can be screened without the active one
        folders.append(active_captioner().checkpoint)
    return [Path(folder) for folder in (*folders, SHIPPED_CHECKPOINT)]
