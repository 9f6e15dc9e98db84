"""The signals that a ranking is made of: nearness of vectors in one space, and words in common.

A signal lives for one search and remembers the scores that it has seen, so nothing is computed twice.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from functools import cached_property, partial
from typing import Protocol

import numpy as np

from core import meanwhile
from search import keywords
from search.fusion import Hit
from search.index.base import EVERYTHING, Allowed, Hits, Searchable, VectorIndex, Vectors
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

    def begin(self, k: int) -> None:
        """Begins what `best(k)` will need: vectors are compared on other cores while the database is asked."""

    def best(self, k: int, beside: Collection[int] = ()) -> Found:
        """k that are, near enough, the best of everything, whoever may see it; fewer only where there are no more.

        beside: assets whose scores will be asked for as well, where that is cheaper in one go.
        """

    def begin_in_scope(self, k: int) -> None:
        """The same for `best_in_scope(k)`."""

    def best_in_scope(self, k: int) -> Found:
        """The k best of the scope alone, however narrow it is, and perhaps some out of it.

        Fewer only where there are no more.
        """

    def scores(self, frames: Mapping[int, int]) -> list[Hit]:
        """The score of every one of these frames or their assets (frame id -> asset id) that has one."""


class VectorSignal:
    """Nearness to a query's vector in one space."""

    ranks_frames = True

    def __init__(
        self, space: str, engine: VectorIndex, vectors: Mapping[str, Vectors], scope: Scope, name: str = ""
    ) -> None:
        """vectors: the query's by space, which may still be on their way."""
        self.name = name or space
        self._engine, self._query, self._scope = engine, partial(vectors.__getitem__, space), scope
        self._known: dict[int, float] = {}
        self._begun: dict[tuple[int, bool], Future[Hits]] = {}

    def begin(self, k: int) -> None:
        self._begun[k, False] = self._begin(k, EVERYTHING)

    def best(self, k: int, beside: Collection[int] = ()) -> Found:
        begun = self._begun.pop((k, False), None)
        return self._remember(begun.result() if begun else self._search(k, EVERYTHING))

    def begin_in_scope(self, k: int) -> None:
        self._begun[k, True] = self._begin(k, self._scope.narrowed())

    def best_in_scope(self, k: int) -> Found:
        begun = self._begun.pop((k, True), None)
        return self._remember(begun.result() if begun else self._search(k, self._scope.narrowed()))

    def scores(self, frames: Mapping[int, int]) -> list[Hit]:
        if missing := [frame_id for frame_id in frames if frame_id not in self._known]:
            self._remember(self._search(len(missing), np.array(missing, dtype=np.int64)))
        known = self._known
        return [Hit(asset_id, known[frame_id]) for frame_id, asset_id in frames.items() if frame_id in known]

    def _begin(self, k: int, allowed: Allowed) -> Future[Hits]:
        opened = self._opened
        return meanwhile.begin(lambda: opened.search(self._query(), k, allowed))

    @cached_property
    def _opened(self) -> Searchable:
        return self._engine.now()

    def _search(self, k: int, allowed: Allowed) -> Hits:
        return self._opened.search(self._query(), k, allowed)

    def _remember(self, hits: Hits) -> Found:
        found = list(zip(hits.frame_ids.tolist(), hits.scores.tolist(), strict=True))
        self._known.update(found)
        return found


class KeywordSignal:
    """Words of the query in an asset's document."""

    ranks_frames = False

    def __init__(self, words: Sequence[str], scope: Scope, name: str = KEYWORD) -> None:
        self.name = name
        self._question = keywords.ask(words)
        self._scope = scope
        self._begun: dict[int, Callable[[Collection[int]], Found]] = {}
        self._found_in_scope: dict[int, Found] = {}
        self._known: dict[int, float] = {}
        self._asked: set[int] = set()

    @property
    def terms(self) -> tuple[keywords.Term, ...]:
        """What is looked for."""
        return tuple(weighed.term for weighed in self._question.terms)

    @property
    def documents(self) -> int:
        """How many documents there are, whoever may see them; 0 where no word is looked for."""
        return max((weighed.total for weighed in self._question.terms), default=0)

    def begin(self, k: int) -> None:
        self._begun[k] = self._question.begin_promising(k)

    def best(self, k: int, beside: Collection[int] = ()) -> Found:
        promising = self._begun.pop(k, None) or self._question.begin_promising(k)
        found = self._remember(promising(beside))
        self._asked.update(beside)
        return found[:k]

    def begin_in_scope(self, k: int) -> None:
        self._found_in_scope[k] = self.best_in_scope(k)

    def best_in_scope(self, k: int) -> Found:
        if (found := self._found_in_scope.pop(k, None)) is not None:
            return found
        among = self._scope.narrowed_documents()
        return self._remember(self._question.promising_among(k, among))

    def scores(self, frames: Mapping[int, int]) -> list[Hit]:
        assets = set(frames.values())
        if missing := assets - self._asked - self._known.keys():
            self._remember(self._question.best(len(missing), among=missing))
            self._asked |= missing
        return [Hit(asset_id, self._known[asset_id]) for asset_id in assets & self._known.keys()]

    def _remember(self, found: Found) -> Found:
        self._known.update(found)
        return found
