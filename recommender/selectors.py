"""What is known of the photos that relations are drawn between."""

from collections.abc import Mapping, Sequence

import numpy as np

from library.models import Asset
from search.active import spaces
from search.index.base import Vectors
from search.selectors import vectors_of


def vectors_of_asset(asset: Asset, models: Mapping[str, str] | None = None) -> dict[str, Vectors]:
    """One vector for each space in which the asset has any: the middle of its frames', of unit length.

    models: ids of the models whose vectors are wanted, by space; default: the active ones.
    """
    frame_ids = list(asset.frames.values_list("pk", flat=True))
    vectors: dict[str, Vectors] = {}
    for space in spaces():
        found = vectors_of(frame_ids, space, (models or {}).get(space))
        if found is None:
            continue
        middle = found.mean(axis=0)
        length = float(np.linalg.norm(middle))
        vectors[space] = np.asarray(middle / length, dtype=np.float32) if length else found[0]
    return vectors


def contents_of(asset_ids: Sequence[int]) -> dict[int, str]:
    """The hash of each asset's bytes: the same hash is the same picture."""
    return dict(Asset.objects.filter(pk__in=asset_ids).values_list("pk", "sha256"))
