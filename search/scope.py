"""What one viewer may find, asked of the database at the moment of the search.

No process keeps a list of who may see what: a photo made private or deleted is out of every answer that begins
after the commit.
"""

from collections.abc import Iterable

import numpy as np
from django.db.models import QuerySet

from library.models import Asset, Frame
from search.index.base import Ids


class Scope:
    """The assets that may be found in one search, and what was learned of them so far in this search."""

    def __init__(self, assets: QuerySet[Asset]) -> None:
        self._assets = assets.order_by()
        self._asset_of: dict[int, int | None] = {}
        self._pairs: list[tuple[int, int]] | None = None

    def assets_of_frames(self, frame_ids: Iterable[int]) -> dict[int, int | None]:
        """The asset of each of these frames (and maybe of others), None where it is deleted or out of scope."""
        if unknown := [frame_id for frame_id in frame_ids if frame_id not in self._asset_of]:
            self._asset_of.update(dict.fromkeys(unknown))
            # By the frame's own key: a database never has to list the whole scope for it.
            self._asset_of.update(self._assets.filter(frames__in=unknown).values_list("frames", "pk"))
        return self._asset_of

    def among(self, asset_ids: Iterable[int]) -> dict[int, int | None]:
        """Those of these assets that are in scope, each under its own id."""
        return {pk: pk for pk in self._assets.filter(pk__in=list(asset_ids)).values_list("pk", flat=True)}

    def all_frame_ids(self) -> Ids:
        """Every frame in scope. For scopes that proved to be narrow."""
        return np.array([frame_id for frame_id, _ in self._all_pairs()], dtype=np.int64)

    def all_asset_ids(self) -> list[int]:
        """Every asset in scope that has a frame. For scopes that proved to be narrow."""
        return sorted({asset_id for _, asset_id in self._all_pairs()})

    def _all_pairs(self) -> list[tuple[int, int]]:
        if self._pairs is None:
            self._pairs = list(self._assets.filter(frames__isnull=False).values_list("frames", "pk"))
            self._asset_of.update(self._pairs)
        return self._pairs


def frames_of_assets(asset_ids: Iterable[int]) -> dict[int, int]:
    """The asset of every frame of these assets, which the caller knows to be in scope."""
    return dict(Frame.objects.filter(asset_id__in=list(asset_ids)).values_list("pk", "asset_id"))
