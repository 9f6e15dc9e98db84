"""What items and photos are about, as vectors of one space: the words of an item, the caption of a photo."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from library.models import Frame
from recommender.item_index import item_index
from recommender.models import Item
from recommender.refs import Ref
from search.active import active_model_id
from search.index.base import EVERYTHING
from search.indexing import index
from search.models import Embedding

#: Articles and photos meet in what is said of them; looks are compared between photos only.
SPACE = "caption"


def content_of(subjects: Sequence[Ref]) -> NDArray[np.float32]:
    """(N, D), unit length; zeros where nothing is known yet. An item without words counts by its picture's caption."""
    items = [one.pk for one in subjects if one.is_item]
    of_items = dict(item_index(SPACE).vectors(items))
    pictures = dict(
        Item.objects.filter(pk__in=[pk for pk in items if not _known(of_items.get(pk))])
        .exclude(asset=None)
        .values_list("pk", "asset_id")
    )
    of_assets = _of_assets([*pictures.values(), *(one.pk for one in subjects if not one.is_item)])
    rows = np.zeros((len(subjects), _dimension(of_items, of_assets)), dtype=np.float32)
    for at, one in enumerate(subjects):
        vector = of_items.get(one.pk) if one.is_item else of_assets.get(one.pk)
        if one.is_item and not _known(vector):
            vector = of_assets.get(pictures.get(one.pk, 0))
        if vector is not None:
            rows[at] = vector
    return rows


def items_near(vector: NDArray[np.float32], site_id: int, count: int) -> list[Ref]:
    """Items of a site, the nearest first."""
    return [Ref(True, int(pk)) for pk in item_index(SPACE).search(vector, site_id, count).frame_ids]


def assets_near(vector: NDArray[np.float32], count: int) -> list[Ref]:
    """Photos of anybody, the nearest first: who may see them is asked later."""
    frames = index(SPACE).search(vector, count, EVERYTHING).frame_ids.tolist()
    asset_of = dict(Frame.objects.filter(pk__in=frames).values_list("pk", "asset_id"))
    found = dict.fromkeys(asset_of[frame] for frame in frames if frame in asset_of)
    return [Ref(False, pk) for pk in found]


def _of_assets(asset_ids: Sequence[int]) -> dict[int, NDArray[np.float32]]:
    rows = Embedding.objects.filter(
        frame__asset_id__in=asset_ids, space=SPACE, model_id=active_model_id(SPACE)
    ).order_by("-frame__number")
    return {
        asset_id: np.frombuffer(bytes(vector), dtype="<f4")
        for asset_id, vector in rows.values_list("frame__asset_id", "vector")
    }


def _dimension(*known: dict[int, NDArray[np.float32]]) -> int:
    for vectors in known:
        for vector in vectors.values():
            return len(vector)
    return 0


def _known(vector: NDArray[np.float32] | None) -> bool:
    return vector is not None and bool(vector.any())
