"""Which embedders are active, told without loading any weights: every query and every claim of a worker asks it."""

import json
from functools import cache
from pathlib import Path

from django.conf import settings

from core.errors import ModelUnavailable

CHECKPOINTS = Path(__file__).parent / "checkpoints"
#: Vectors of what the backbone saw, which nothing is searched by: they are compared between photos that were found.
TEXTURES = "texture"


def spaces() -> tuple[str, ...]:
    """The vector spaces in use: `image` (pixels) and `caption` (words)."""
    return tuple(settings.EMBEDDERS)


def active_model_id(space: str) -> str:
    """Id of the model whose vectors stand for this space; ModelUnavailable where there is no checkpoint to ask."""
    return settings.EMBEDDER_MODEL_IDS.get(space) or _id_in(CHECKPOINTS / space / "model.json")


@cache
def _id_in(card: Path) -> str:
    try:
        return str(json.loads(card.read_text("utf-8"))["model_id"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelUnavailable(
            f"There is no trained embedder in {card.parent}: train one with `manage.py train_embedder`, "
            "or let EMBEDDER_MODEL_IDS name the model of a hub."
        ) from error
