"""A second model of a space: the library and the items of sites embedded by it, beside the vectors that are in use."""

from collections.abc import Sequence

import numpy as np
from django.conf import settings
from django.db import transaction

import captioning.services
import search.embeddings
import search.services
from captioning.selectors import said_of
from captioning.vision.frames import FrameBatch
from core.errors import Conflict, SightlineError
from core.progress import Progress
from library.models import Frame
from recommender import item_vectors
from search import switching
from search.models import SpaceModel
from search.selectors import frames_without_embedding
from workers import rewording
from workers.describe import decoded

_ITEMS_AT_ONCE = 64


def embed_beside(model: SpaceModel, progress: Progress | None = None) -> dict[int, str]:
    """Embeds all frames that lack a vector of this model, and numbers the vectors; then the items of sites, which would
    be missing from related lists after a switch. Why it can't, by frame.

    It can be stopped and begun again at any time: what is embedded is not done twice. What something else was said of
    while it was looked at is looked at again.
    """
    without = frames_without_embedding(model.space, model.model_id).order_by("pk")
    failed: dict[int, str] = {}
    while lacking := [pk for pk in without.values_list("pk", flat=True) if pk not in failed]:
        for start in range(0, len(lacking), settings.DESCRIBE_BATCH_SIZE):
            failed |= _embed(model, lacking[start : start + settings.DESCRIBE_BATCH_SIZE])
            if progress is not None:
                progress(min(start + settings.DESCRIBE_BATCH_SIZE, len(lacking)), len(lacking))
    _embed_items(model, progress)
    return failed


def check_items(model: SpaceModel) -> None:
    """Conflict where items of sites lack a vector of this model."""
    if lacking := item_vectors.items_without_vectors({model.space: model.model_id}).count():
        raise Conflict(
            f"{lacking:,} items of sites have no vector of {model} yet: "
            f"run `manage.py embedder embed {model.space} {model.model_id}`."
        )


def _embed_items(model: SpaceModel, progress: Progress | None) -> None:
    without = item_vectors.items_without_vectors({model.space: model.model_id}).order_by("pk")
    lacking = list(without.values_list("pk", flat=True))
    for start in range(0, len(lacking), _ITEMS_AT_ONCE):
        some = lacking[start : start + _ITEMS_AT_ONCE]
        item_vectors.embed_items(some, {model.space: switching.as_active(model)})
        if progress is not None:
            progress(start + len(some), len(lacking))


def _embed(model: SpaceModel, frame_ids: Sequence[int]) -> dict[int, str]:
    failed: dict[int, str] = {}
    squares = {}
    for frame in Frame.objects.select_related("asset").filter(pk__in=frame_ids):
        try:
            squares[frame.pk] = decoded(frame).square
        except (SightlineError, OSError) as error:
            failed[frame.pk] = str(error)
    if squares:
        pixels = np.stack(list(squares.values()))
        batch = FrameBatch(pixels, captioning.services.backbone().encode(pixels))
        said = said_of(squares)
        made = switching.embedder_of(model).embed_frames(batch, list(said.values()))
        vectors = dict(zip(squares, made, strict=True))
        with transaction.atomic():
            rewording.lock(list(squares))
            said_now = said_of(squares)
            right = [each for each in squares if said_now[each] == said[each]]
            if right:
                stacked = np.stack([vectors[each] for each in right])
                search.embeddings.record(model.space, model.model_id, right, stacked)
        search.services.index_frames(squares)
    return failed
