"""Which captioner is active, told without loading any weights: pages and queries ask it all the time."""

import json
from functools import cache
from pathlib import Path

from django.conf import settings

from core.errors import ModelUnavailable

SHIPPED_CHECKPOINT = Path(__file__).parent / "checkpoints" / "captioner"


def checkpoint_dir() -> Path:
    """The folder of the trained captioner: the setting, or the one that ships with the code."""
    return Path(settings.CAPTIONER_CHECKPOINT or SHIPPED_CHECKPOINT)


def active_caption_model_id() -> str:
    """Id of the model that captions frames now; ModelUnavailable where there is no checkpoint to ask."""
    return settings.CAPTIONER_MODEL_ID or _id_in(checkpoint_dir() / "model.json")


@cache
def _id_in(card: Path) -> str:
    try:
        return str(json.loads(card.read_text("utf-8"))["model_id"])
    except (OSError, ValueError, KeyError) as error:
        raise ModelUnavailable(
            f"There is no trained captioner in {card.parent}: train one with `manage.py finetune_captioner`, "
            "or point CAPTIONER_CHECKPOINT at a folder that holds one (or CAPTIONER_MODEL_ID names a hub model's)."
        ) from error
