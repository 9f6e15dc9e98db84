"""Which captioner is active, told without loading any weights: pages and queries ask it all the time.

A setting pins it; else the newest promotion decides; else it is the one that ships with the code. It is asked
anew each time, by one query for the newest row, so that every process follows a promotion without a restart.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from django.conf import settings
from django.db import OperationalError, connection

from captioning.models import Promotion
from core.errors import ModelUnavailable

SHIPPED_CHECKPOINT = Path(__file__).parent / "checkpoints" / "captioner"
_PINNING = ("CAPTIONER_MODEL_ID", "CAPTIONER_CHECKPOINT")


@dataclass(frozen=True)
class ActiveCaptioner:
    """The id under which captions are written now, and the folder of the weights that write them."""

    model_id: str
    checkpoint: Path


def active_captioner() -> ActiveCaptioner:
    """The captioner of frames to come; ModelUnavailable where there is no checkpoint to ask."""
    if pinned_by() is not None:
        folder = Path(settings.CAPTIONER_CHECKPOINT or SHIPPED_CHECKPOINT)
        return ActiveCaptioner(settings.CAPTIONER_MODEL_ID or model_id_in(folder), folder)
    newest = Promotion.objects.order_by("-pk").values_list("version__model_id", "version__folder").first()
    return ActiveCaptioner(newest[0], Path(newest[1] or SHIPPED_CHECKPOINT)) if newest else shipped()


def active_caption_model_id() -> str:
    """Id of the model that captions frames now; ModelUnavailable where there is no checkpoint to ask."""
    return active_captioner().model_id


def checkpoint_dir() -> Path:
    """The folder of the active captioner. Tools that read no library need no database: there it is the shipped one."""
    if pinned_by() is None and not _has_promotions():
        return SHIPPED_CHECKPOINT
    return active_captioner().checkpoint


def pinned_by() -> str | None:
    """The setting by which a person fixed the captioner, if any: then nothing can be promoted."""
    return next((name for name in _PINNING if getattr(settings, name)), None)


def shipped() -> ActiveCaptioner:
    """The captioner that comes with the code; ModelUnavailable where it does not."""
    return ActiveCaptioner(model_id_in(SHIPPED_CHECKPOINT), SHIPPED_CHECKPOINT)


def model_id_in(folder: Path) -> str:
    """The id on the card of a checkpoint folder; ModelUnavailable where there is none."""
    return _id_in(folder / "model.json")


@cache
def _id_in(card: Path) -> str:
    try:
        return str(json.loads(card.read_text("utf-8"))["model_id"])
    except (OSError, ValueError, KeyError) as error:
        raise ModelUnavailable(
            f"There is no trained captioner in {card.parent}: train one with `manage.py finetune_captioner`, "
            "or point CAPTIONER_CHECKPOINT at a folder that holds one (or CAPTIONER_MODEL_ID names a hub model's)."
        ) from error


def _has_promotions() -> bool:
    try:
        return Promotion._meta.db_table in connection.introspection.table_names()
    except OperationalError:  # no database at all
        return False
