"""Which captioner is active, told without loading any weights: pages and queries ask it all the time."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings

from captioning.captioners.decoding import model_id_with
from captioning.captioners.hub_options import HUB_CAPTIONER
from captioning.vision.pixels import INPUT_SIZE_PX
from core.errors import ModelUnavailable

SHIPPED_CHECKPOINT = Path(__file__).parent / "checkpoints" / "captioner"


def checkpoint_dir() -> Path:
    """The folder of the trained captioner: the setting, or the one that ships with the code."""
    return Path(settings.CAPTIONER_CHECKPOINT or SHIPPED_CHECKPOINT)


def active_caption_model_id() -> str:
    """Id of the model that captions frames now; ModelUnavailable where there is no checkpoint to ask."""
    if settings.CAPTIONER_MODEL_ID:
        return str(settings.CAPTIONER_MODEL_ID)
    if settings.CAPTIONER == HUB_CAPTIONER:
        return settings.CAPTIONER_HUB.model_id(settings.CAPTIONER_DECODING)
    model_id, decoding = _card(checkpoint_dir() / "model.json")
    return model_id_with(model_id, decoding, settings.CAPTIONER_DECODING)


def picture_px() -> int | None:
    """Longer side of the pictures that the active captioner reads beside the backbone's squares; None for none."""
    return int(settings.CAPTIONER_HUB.picture_px) if settings.CAPTIONER == HUB_CAPTIONER else None


def decoding_px() -> int:
    """Shorter side that a photo keeps when it is decoded for the models.

    Twice what the backbone reads: large photos decode several times faster, and nobody sees the difference.
    """
    return max(2 * INPUT_SIZE_PX, picture_px() or 0)


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
