"""What one viewer may find, asked of the database at the moment of the search.

No process keeps a list of who may see what: a photo made private or deleted is out of every answer that begins
after the commit.
"""

from collections.abc import Callable, Collection, Container, Iterable, Set
from functools import cached_property
from typing import Any

import numpy as np
from django.db import connection
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL
from numpy.typing import NDArray

from core.ids import KeysOf, listed, rows_of
from library.models import Asset, Frame
from search.columns import assets_where
from search.index.base import Ids
from search.index.where import Where

#: So many assets are sooner listed than asked about one by one as words find them; by their tags, each by itself.
_LISTED_UP_TO = {"sqlite": 5_000, "postgresql": 20_000}
_TAGGED_UP_TO = {"sqlite": 5_000, "postgresql": 300}


class Scope:
    """The assets that may be found in one search, and what is known of them so far in this search."""

    def __init__(
        self,
        assets: Callable[[], QuerySet[Asset]],
        where: Callable[[], Where | None] = lambda: None,
        keys: KeysOf | None = None,
    ) -> None:
        """assets: makes the query of all that is in scope, when it is first needed. where: the same as a predicate over
        an index's columns, None where these can't express it. keys: a prepared look-up of the same assets, where
        nothing is asked but that the viewer may see them.
        """
        self._made = assets
        self._told = where
        self._given = keys
        self._asset_of: dict[int, int] = {}
        self._found_frames: set[int] = set()
        self._found_assets: set[int] = set()
        self._checked: set[int] = set()
        self._in_scope: set[int] = set()
        self._share: float | None = None

    @cached_property
    def _assets(self) -> QuerySet[Asset]:
        return self._made().order_by()

    @cached_property
    def _keys(self) -> KeysOf:
        return self._given or KeysOf(self._assets)

    @cached_property
    def _where(self) -> Where | None:
        return self._told()

    def find(self, frame_ids: Iterable[int] = (), asset_ids: Iterable[int] = ()) -> None:
        """Finds the assets of these frames, and all frames of those and of these assets."""
        frames = set(frame_ids) - self._found_frames
        assets = set(asset_ids) - self._found_assets
        if frames or assets:
            found = _frames_and_siblings(frames, assets)
            self._asset_of.update(found)
            self._found_frames |= frames
            self._found_frames.update(frame_id for frame_id, _ in found)
            self._found_assets |= assets
            self._found_assets.update(asset_id for _, asset_id in found)

    def check(self) -> None:
        """Asks which of the assets found so far are in scope.

        A query apart from finding them: joined, a database that has no statistics yet would walk through all
        public assets and look for their frames in the list.
        """
        if unknown := self._found_assets - self._checked:
            self._checked |= unknown
            self._in_scope.update(self.among(unknown))
            if self._share is None:
                self._share = len(self._in_scope) / len(unknown)

    def among(self, asset_ids: Set[int]) -> Iterable[int]:
        """Those of these assets that are in scope."""
        if "_everything" in self.__dict__:  # listed in this very search
            return asset_ids & self._listed
        return self._keys.among(asset_ids)

    @property
    def found_assets(self) -> Set[int]:
        """Assets found so far, in scope or not."""
        return self._found_assets

    def asset_of_frame(self, frame_id: int) -> int | None:
        """The asset of a frame that was found and checked, None where it is deleted or out of scope."""
        asset_id = self._asset_of.get(frame_id)
        return asset_id if asset_id in self._in_scope else None

    def asset(self, asset_id: int) -> int | None:
        """An asset that was found and checked, None where it is deleted or out of scope."""
        return asset_id if asset_id in self._in_scope else None

    @property
    def is_told(self) -> bool:
        """Whether an engine can narrow by columns."""
        return self._where is not None

    @property
    def is_filtered(self) -> bool:
        """Whether an engine can narrow by columns, and more is asked than what the viewer may see."""
        return self._given is None and self.is_told

    def list_from_now_on(self) -> None:
        """Has engines narrow by what is in scope and not by columns."""
        self._where = None

    @property
    def share(self) -> float:
        """Of the assets checked first, before anything narrowed, the share in scope; 1 where there were none."""
        return 1.0 if self._share is None else self._share

    def has_any(self, asset_ids: RawSQL) -> bool:
        """Whether an asset whose id this query gives is in scope."""
        return self._assets.filter(pk__in=asset_ids).exists()

    def frames_of(self, asset_ids: Container[int]) -> dict[int, int]:
        """Every frame of these assets, which were found, with its asset."""
        return {frame_id: asset_id for frame_id, asset_id in self._asset_of.items() if asset_id in asset_ids}

    def narrowed(self) -> Ids | Where:
        """For an engine: the scope in columns, else every frame of it. For scopes that proved to be narrow."""
        return self._everything[:, 0] if self._where is None else self._where

    def narrowed_documents(self) -> Collection[int] | Where:
        """The same for words: every asset in scope, or the scope in columns where these are many."""
        if self._where is None:
            return self._listed
        return self._where if self._few is None else self._few

    @cached_property
    def _few(self) -> list[int] | None:
        """What columns let through, None where that is more than is listed."""
        assert self._where is not None
        if not self._where.asks_labels:
            return assets_where(self._where, _LISTED_UP_TO[connection.vendor])
        # No index of the database finds bits: it would go through all photos. Nor need many be listed where an index of
        # words finds names and other words in one go.
        most = _TAGGED_UP_TO[connection.vendor]
        some = [asset_id for (asset_id,) in rows_of(self._assets.values_list("pk")[: most + 1])]
        return some if len(some) <= most else None

    @cached_property
    def _listed(self) -> frozenset[int]:
        return frozenset(self._everything[:, 1].tolist())

    @cached_property
    def _everything(self) -> NDArray[np.int64]:
        """(N, 2): frames in scope with their assets. Tens of thousands they may be: no object is made for each."""
        rows = rows_of(self._assets.filter(frames__isnull=False).values_list("frames", "pk"))
        return np.array(rows, dtype=np.int64).reshape(-1, 2)


def _frames_and_siblings(frame_ids: Iterable[int], asset_ids: Iterable[int]) -> list[tuple[int, int]]:
    """(frame id, asset id) of all frames of these assets and of the assets of these frames."""
    table = Frame._meta.db_table
    if connection.vendor == "postgresql":  # which reads all frames where it has to join lists
        asked = f"= ANY(ARRAY(SELECT asset_id FROM {table} WHERE id = ANY(%s::bigint[])) || %s::bigint[])"  # noqa: S608
        ids: list[Any] = [list(frame_ids), list(asset_ids)]
    else:
        (frames_sql, frames), (assets_sql, assets) = listed(frame_ids), listed(asset_ids)
        asked = f"IN (SELECT asset_id FROM {table} WHERE id IN ({frames_sql}) UNION {assets_sql})"  # noqa: S608
        ids = [frames, assets]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT id, asset_id FROM {table} WHERE asset_id {asked}", ids)  # noqa: S608 - names of our own
        found: list[tuple[int, int]] = cursor.fetchall()
    return found
