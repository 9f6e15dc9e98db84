"""Which documents hold a query's words, and how much of the query they hold: the same on both databases.

The score of a document is the sum over the query's words of the word's weight (how rare it is: BM25's idf) times
how firmly the document holds it (BM25's saturated term frequency, in [0, 1)), divided by the sum of the weights.
So it lies in [0, 1) whatever the query: a document that holds the rare half of a query scores about a half.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from django.db import connection

from search.keywords import postgresql, sqlite
from search.keywords.terms import PREFIX_MIN_CHARS, Term, Weighed

_LEAST_SHARE = 0.01
_PLENTY = 2


@dataclass(frozen=True)
class Question:
    """A query's words, weighed once; then asked as often as it takes."""

    terms: tuple[Weighed, ...]

    def best(self, limit: int, among: Collection[int] | None = None) -> list[tuple[int, float]]:
        """(asset id, score) of the `limit` best documents, of these assets or of all; newest first among equals."""
        return self._ranked(limit, among)

    def promising(self, limit: int, beside: Collection[int] = ()) -> list[tuple[int, float]]:
        """The `limit` best documents that hold one of the rarest words, and those of the assets `beside` too.

        The rarest that plenty of documents hold, that is: one of common words alone seldom wins, and there are
        thousands of those to look at. Fewer than the limit only where no more documents hold any of the words.
        """
        telling = self._telling()
        rarest: list[Term] = []
        holding = 0
        for term in sorted(telling, key=lambda term: term.holding):
            if holding >= _PLENTY * limit:
                break
            rarest.append(term.term)
            holding += term.holding
        if len(rarest) == len(telling):
            return self._ranked(limit, beside=beside)
        found = self._ranked(limit, rarest, beside)
        # Too few where the rarest words mostly stand in the same documents.
        return found if len(found) >= limit else self._ranked(limit, beside=beside)

    def _telling(self) -> list[Weighed]:
        """Words that make a difference: beside rarer ones, a word of nearly every document moves no score."""
        held = [term for term in self.terms if term.holding]
        least = _LEAST_SHARE * sum(term.weight for term in held)
        return [term for term in held if term.weight >= least]

    def _ranked(
        self,
        limit: int,
        among: Collection[int] | Collection[Term] | None = None,
        beside: Collection[int] = (),
    ) -> list[tuple[int, float]]:
        terms, whole = self._telling(), self._whole()
        if not terms or limit < 1 or (among is not None and not among):
            return []
        found = _engine().best(terms, limit, among, beside)
        return [(asset_id, score / whole) for asset_id, score in found]

    def _whole(self) -> float:
        return sum(term.weight for term in self.terms)


def ask(words: Sequence[str]) -> Question:
    """Words from `words.query_words`, weighed by how many documents hold them now.

    The last word may be one that is still being typed: where no document holds it as it stands, it stands for
    all words that begin so. A whole word never does, so "cat" doesn't find caterpillars.
    """
    if not words:
        return Question(())
    terms = [Term(word) for word in words]
    total, holding = _engine().count_holding(terms)
    if not holding[-1] and len(words[-1]) >= PREFIX_MIN_CHARS:
        terms[-1] = Term(words[-1], prefix=True)
        holding[-1:] = _engine().count_holding(terms[-1:])[1]
    # Another process may write between two counts: never more holders than documents.
    return Question(
        tuple(Weighed(term, count, max(total, count)) for term, count in zip(terms, holding, strict=True))
    )


def _engine() -> type[sqlite.Fts5] | type[postgresql.TextSearch]:
    return postgresql.TextSearch if connection.vendor == "postgresql" else sqlite.Fts5
