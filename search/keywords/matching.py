"""Which documents hold a query's words, and how much of the query they hold: the same on both databases.

The score of a document is the sum over the query's words of the word's weight (how rare it is: BM25's idf) times
how firmly the document holds it (BM25's saturated term frequency, in [0, 1)), divided by the sum of the weights.
So it lies in [0, 1) whatever the query: a document that holds the rare half of a query scores about a half.

Where its words stand in few documents all of these are ranked. Where they stand in very many, as "dog" and "grass" do
among a million photos, a bounded number of documents is chosen first, of those that hold most of the words together,
and these alone are scored, by the same arithmetic: what a query costs does not grow with the library.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate

from django.db import connection

from search.index.where import Where
from search.keywords import common, postgresql, sqlite
from search.keywords.terms import PREFIX_MIN_CHARS, Among, Assets, Term, Weighed

_LEAST_SHARE = 0.01
_PLENTY = 2
#: Words that stand in no more places than these are looked through; it takes some milliseconds.
_LOOKED_THROUGH = 20_000
#: So many documents are sooner scored one by one, by what is in them, than found among all that hold a common word.
_SCORED = 2_000


@dataclass(frozen=True)
class Question:
    """A query's words, weighed once; then asked as often as it takes."""

    terms: tuple[Weighed, ...]

    def best(self, limit: int, among: Collection[int] | None = None) -> list[tuple[int, float]]:
        """(asset id, score) of the `limit` best documents, of these assets or of all; newest first among equals."""
        if among is not None and len(among) <= _SCORED and self._is_wide():
            return self._scored(among)[:limit]
        return self._ranked(limit, among)

    def promising_among(self, limit: int, among: Assets) -> list[tuple[int, float]]:
        """As `promising`, of these assets alone."""
        # A few are scored one by one, and a long list is told to the database only once.
        asked_again = isinstance(among, Where) or _SCORED < len(among) <= _LOOKED_THROUGH
        if asked_again and _PLENTY * limit <= _SCORED and self._is_wide():
            return self._scored(self._likely(limit, among))[:limit]
        return self._ranked(limit, among) if isinstance(among, Where) else self.best(limit, among)

    def promising(self, limit: int, beside: Collection[int] = ()) -> list[tuple[int, float]]:
        """The `limit` best documents that hold one of the rarest words, and those of the assets `beside` too.

        The rarest that plenty of documents hold, that is: one of common words alone seldom wins, and there are
        thousands of those to look at. Fewer than the limit only where no more documents hold any of the words.
        """
        return self.begin_promising(limit)(beside)

    def begin_promising(self, limit: int) -> Callable[[Collection[int]], list[tuple[int, float]]]:
        """The same once it is known what stands beside; what can be told without is found at once."""
        if not (_PLENTY * limit <= _SCORED and self._is_wide()):
            return partial(self._promising_of_few, limit)
        found = self._likely(limit)
        scored = self._scored(found)

        def with_those(beside: Collection[int]) -> list[tuple[int, float]]:
            others = self._scored(set(beside) - found)
            best_first = sorted(scored + others, key=lambda one: (one[1], one[0]), reverse=True)
            # What stands beside is told wherever it would rank.
            return [one for at, one in enumerate(best_first) if at < limit or one[0] in beside]

        return with_those

    def _promising_of_few(self, limit: int, beside: Collection[int]) -> list[tuple[int, float]]:
        words, rarest = self._rarest_first(limit)
        if rarest == len(words):
            return self._ranked(limit, beside=beside)
        found = self._ranked(limit, [one.term for one in words[:rarest]], beside)
        # Too few where the rarest words mostly stand in the same documents.
        return found if len(found) >= limit else self._ranked(limit, beside=beside)

    def _rarest_first(self, limit: int) -> tuple[list[Weighed], int]:
        """The telling words, and how many of them plenty of documents hold; few hold all but the last of these."""
        telling = sorted(self._telling(), key=lambda one: one.holding)
        held = accumulate(one.holding for one in telling)
        return telling, min(len(telling), 1 + sum(holding < _PLENTY * limit for holding in held))

    def _likely(self, limit: int, among: Assets | None = None) -> set[int]:
        """Assets whose documents are promising, where there are too many to rank.

        All that hold a word which few hold; of the others those that hold the rarest words together, and of these as
        many words as may be.
        """
        plenty, found = _PLENTY * limit, set[int]()
        terms, rarest = self._rarest_first(limit)
        if rarest > 1:
            found.update(_engine().holding_any([one.term for one in terms[: rarest - 1]], among))
        for some in _engine().together(terms[rarest - 1 :], plenty, among):
            found.update(some)
            if len(found) >= plenty:
                break
        return found

    def _is_wide(self) -> bool:
        return sum(one.holding for one in self._telling()) > _LOOKED_THROUGH

    def _telling(self) -> list[Weighed]:
        """Words that make a difference: beside rarer ones, a word of nearly every document moves no score."""
        held = [term for term in self.terms if term.holding]
        least = _LEAST_SHARE * sum(term.weight for term in held)
        return [term for term in held if term.weight >= least]

    def _scored(self, ids: Collection[int]) -> list[tuple[int, float]]:
        whole = self._whole()
        return [(asset_id, score / whole) for asset_id, score in _engine().scored(self._telling(), ids)]

    def _ranked(
        self,
        limit: int,
        among: Among = None,
        beside: Collection[int] = (),
    ) -> list[tuple[int, float]]:
        terms, whole = self._telling(), self._whole()
        if not terms or limit < 1 or (among is not None and not isinstance(among, Where) and not among):
            return []
        found = _engine().best(terms, limit, among, beside)
        return [(asset_id, score / whole) for asset_id, score in found]

    def _whole(self) -> float:
        return sum(term.weight for term in self.terms)


def ask(words: Sequence[str]) -> Question:
    """Words from `words.query_words`, weighed by how many documents hold them.

    The last word may be one that is still being typed: where no document holds it as it stands, it stands for
    all words that begin so. A whole word never does, so "cat" doesn't find caterpillars.
    """
    if not words:
        return Question(())
    terms = [Term(word) for word in words]
    engine = _engine()
    total = engine.count()
    counted = partial(common.holding, total=total, count=engine.count_holding, common_from=engine.common_from)
    holding = counted(terms)
    if not holding[-1] and len(words[-1]) >= PREFIX_MIN_CHARS:
        terms[-1] = Term(words[-1], prefix=True)
        holding[-1:] = counted(terms[-1:])
    # Another process may write between two counts: never more holders than documents.
    return Question(
        tuple(Weighed(term, count, max(total, count)) for term, count in zip(terms, holding, strict=True))
    )


def _engine() -> type[sqlite.Fts5] | type[postgresql.TextSearch]:
    return postgresql.TextSearch if connection.vendor == "postgresql" else sqlite.Fts5
