"""Which embedders are active, told without loading any weights: every query and every claim of a worker asks it.

The newest switch of a space decides; where there was none, the settings do. It is asked anew each time, so that every
process follows a switch without a restart; a search asks once and keeps to the answer, so that a query's vector and the
index it meets are of one model.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import Max, QuerySet

from core.errors import ModelUnavailable
from core.ids import Prepared
from search.models import SpaceSwitch

CHECKPOINTS = Path(__file__).parent / "checkpoints"
#: Vectors of what the backbone saw, which nothing is searched by: they are compared between photos that were found.
TEXTURES = "texture"


@dataclass(frozen=True)
class ActiveEmbedder:
    """The model of a space: the id that its vectors carry, the dotted path of its class, the folder of its weights."""

    model_id: str
    embedder: str
    checkpoint: str = ""


def spaces() -> tuple[str, ...]:
    """The vector spaces in use: `image` (pixels) and `caption` (words)."""
    return tuple(settings.EMBEDDERS)


def active_embedders() -> dict[str, ActiveEmbedder]:
    """The model of each space, by one query; ModelUnavailable where there is no checkpoint to ask."""
    switched = {space: ActiveEmbedder(*fields) for space, *fields in _SWITCHED_TO.rows()}
    return {space: switched.get(space) or configured(space) for space in spaces()}


def _newest_switches(_: object) -> QuerySet[Any, Any]:
    switches = SpaceSwitch.objects.order_by()
    newest = switches.values("model__space").annotate(newest=Max("pk")).values("newest")
    return switches.filter(pk__in=newest).values_list(
        "model__space", "model__model_id", "model__embedder", "model__checkpoint"
    )


_SWITCHED_TO = Prepared(_newest_switches)


def active_models() -> dict[str, str]:
    """Ids of the active models by space: asked once by who makes vectors and searches by them."""
    return ids_of(active_embedders())


def ids_of(models: Mapping[str, ActiveEmbedder]) -> dict[str, str]:
    """Just the ids."""
    return {space: model.model_id for space, model in models.items()}


def active_model_id(space: str) -> str:
    """Id of the model whose vectors stand for this space; ModelUnavailable where there is no checkpoint to ask."""
    return active_embedders()[space].model_id


def configured(space: str) -> ActiveEmbedder:
    """What the settings say: the model before any switch."""
    model_id = settings.EMBEDDER_MODEL_IDS.get(space) or _id_in(CHECKPOINTS / space / "model.json")
    return ActiveEmbedder(model_id, settings.EMBEDDERS[space])


@cache
def _id_in(card: Path) -> str:
    try:
        return str(json.loads(card.read_text("utf-8"))["model_id"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelUnavailable(
            f"There is no trained embedder in {card.parent}: train one with `manage.py train_embedder`, "
            "or let EMBEDDER_MODEL_IDS name the model of a hub."
        ) from error
