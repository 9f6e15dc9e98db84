"""Which captioner is active, told without loading any weights: pages and queries ask it all the time.

A setting pins it; else the newest promotion decides; else it is the one that ships with the code. It is asked
anew each time, by one query for the newest row, so that every process follows a promotion without a restart.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import OperationalError, connection

from captioning.captioners.decoding import Decoding, model_id_with
from captioning.captioners.hub_options import HUB_CAPTIONER
from captioning.models import Promotion
from captioning.vision.pixels import DECODED_PX
from core.errors import ModelUnavailable
from core.ids import Prepared

SHIPPED_CHECKPOINT = Path(__file__).parent / "checkpoints" / "captioner"
#: What a folder must hold that a captioner is loaded from.
_FILES = ("model.json", "weights.safetensors")


@dataclass(frozen=True)
class ActiveCaptioner:
    """The id under which captions are written now, and the folder of the weights that write them."""

    model_id: str
    checkpoint: Path


def active_captioner() -> ActiveCaptioner:
    """The captioner of frames to come; ModelUnavailable where there is no checkpoint to ask."""
    own = Path(settings.CAPTIONER_CHECKPOINT or SHIPPED_CHECKPOINT)
    if settings.CAPTIONER_MODEL_ID:
        return ActiveCaptioner(settings.CAPTIONER_MODEL_ID, own)
    if settings.CAPTIONER == HUB_CAPTIONER:
        return ActiveCaptioner(settings.CAPTIONER_HUB.model_id(settings.CAPTIONER_DECODING), own)
    promoted = None if settings.CAPTIONER_CHECKPOINT else _promoted()
    if promoted and Decoding() == settings.CAPTIONER_DECODING:
        return promoted
    folder = promoted.checkpoint if promoted else own
    model_id, decoding = _card(folder / "model.json")
    return ActiveCaptioner(model_id_with(model_id, decoding, settings.CAPTIONER_DECODING), folder)


def present_captioner() -> ActiveCaptioner:
    """The active captioner, whose files are there, whole or not; ModelUnavailable says how they come back."""
    chosen = active_captioner()
    if pinned_by() is None and not all((chosen.checkpoint / name).is_file() for name in _FILES):
        raise ModelUnavailable(
            f"The promoted captioner {chosen.model_id} is no longer in {chosen.checkpoint}: bring that folder back, "
            "or promote another version with `manage.py captioner promote`."
        )
    return chosen


def active_caption_model_id() -> str:
    """Id of the model that captions frames now; ModelUnavailable where there is no checkpoint to ask."""
    return active_captioner().model_id


def active_caption_model_id_or_none() -> str | None:
    """The same for who can do without: captions that exist can be read without the model that wrote them."""
    try:
        return active_caption_model_id()
    except ModelUnavailable:
        return None


def checkpoint_dir() -> Path:
    """The folder of the active captioner. Tools that read no library need no database: there it is the shipped one."""
    if not settings.CAPTIONER_CHECKPOINT and not _has_promotions():
        return SHIPPED_CHECKPOINT
    return active_captioner().checkpoint


def pinned_by() -> str | None:
    """The setting by which a person fixed the captioner, if any: then nothing can be promoted."""
    chosen = {
        "CAPTIONER_MODEL_ID": settings.CAPTIONER_MODEL_ID,
        "CAPTIONER": settings.CAPTIONER == HUB_CAPTIONER,
        "CAPTIONER_CHECKPOINT": settings.CAPTIONER_CHECKPOINT,
        "CAPTIONER_DECODING": Decoding() != settings.CAPTIONER_DECODING,
    }
    return next((name for name, is_set in chosen.items() if is_set), None)


def shipped() -> ActiveCaptioner:
    """The captioner that comes with the code; ModelUnavailable where it does not."""
    return ActiveCaptioner(model_id_in(SHIPPED_CHECKPOINT), SHIPPED_CHECKPOINT)


def model_id_in(folder: Path) -> str:
    """The id on the card of a checkpoint folder; ModelUnavailable where there is none."""
    return _card(folder / "model.json")[0]


def picture_px() -> int | None:
    """Longer side of the pictures that the active captioner reads beside the backbone's squares; None for none."""
    return int(settings.CAPTIONER_HUB.picture_px) if settings.CAPTIONER == HUB_CAPTIONER else None


def decoding_px() -> int:
    """Shorter side that a photo keeps when it is decoded for the models."""
    return max(DECODED_PX, picture_px() or 0)


@cache
def _card(card: Path) -> tuple[str, dict[str, Any]]:
    """Model id and decoding of a checkpoint."""
    try:
        told = json.loads(card.read_text("utf-8"))
        return str(told["model_id"]), dict(told.get("decoding", {}))
    except (OSError, ValueError, KeyError) as error:
        raise ModelUnavailable(
            f"There is no trained captioner in {card.parent}: train one with `manage.py finetune_captioner`, "
            "or point CAPTIONER_CHECKPOINT at a folder that holds one."
        ) from error


def _promoted() -> ActiveCaptioner | None:
    newest = next(iter(_NEWEST_PROMOTION.rows()), None)
    return ActiveCaptioner(newest[0], Path(newest[1] or SHIPPED_CHECKPOINT)) if newest else None


_NEWEST_PROMOTION = Prepared(
    lambda _: Promotion.objects.order_by("-pk").values_list("version__model_id", "version__folder")[:1]
)


def _has_promotions() -> bool:
    try:
        return Promotion._meta.db_table in connection.introspection.table_names()
    except OperationalError:  # no database at all
        return False
