"""The signals that a ranking is made of: nearness of vectors in one space, and words in common."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from search import keywords
from search.fusion import Hit
from search.index.base import EVERYTHING, Hits, VectorIndex, Vectors
from search.scope import Scope

KEYWORD = "keyword"

#: Frames or assets with their scores, best first.
Found = Sequence[tuple[int, float]]


class Signal(Protocol):
    """One way of ranking frames or assets."""

    @property
    def name(self) -> str: ...

    @property
    def ranks_frames(self) -> bool:
        """Whether the ids that it finds are frames and not assets."""

    def best(self, k: int) -> Found:
        """k that are, near enough, the best of everything, whoever may see it; fewer only where there are no more."""

    def best_in_scope(self, k: int) -> Found:
        """The k best of the scope alone, however narrow it is."""

    def scores(self, frames: Mapping[int, int]) -> list[Hit]:
        """The score of every one of these frames or their assets (frame id -> asset id) that has one."""


class VectorSignal:
    """Nearness to a query's vector in one space."""

    ranks_frames = True

    def __init__(self, space: str, engine: VectorIndex, query: Vectors, scope: Scope) -> None:
        self.name = space
        self._engine, self._query, self._scope = engine, query, scope

    def best(self, k: int) -> Found:
        return _pairs(self._engine.search(self._query, k, EVERYTHING))

    def best_in_scope(self, k: int) -> Found:
        return _pairs(self._engine.search(self._query, k, self._scope.all_frame_ids()))

    def scores(self, frames: Mapping[int, int]) -> list[Hit]:
        allowed = np.fromiter(frames, dtype=np.int64, count=len(frames))
        hits = self._engine.search(self._query, len(allowed), allowed)
        return [Hit(frames[frame_id], score) for frame_id, score in _pairs(hits)]


class KeywordSignal:
    """Words of the query in an asset's document."""

    name = KEYWORD
    ranks_frames = False

    def __init__(self, words: Sequence[str], scope: Scope) -> None:
        self._question = keywords.ask(words)
        self._scope = scope

    def best(self, k: int) -> Found:
        return self._question.promising(k)

    def best_in_scope(self, k: int) -> Found:
        return self._question.best(k, among=self._scope.all_asset_ids())

    def scores(self, frames: Mapping[int, int]) -> list[Hit]:
        assets = sorted(set(frames.values()))
        return [Hit(asset_id, score) for asset_id, score in self._question.best(len(assets), among=assets)]


def _pairs(hits: Hits) -> Found:
    return list(zip(hits.frame_ids.tolist(), hits.scores.tolist(), strict=True))
