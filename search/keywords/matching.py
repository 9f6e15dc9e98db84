"""Which documents hold a query's words, and how much of the query they hold: the same on both databases.

The score of a document is the sum over the query's words of the word's weight (how rare it is: BM25's idf) times
how firmly the document holds it (BM25's saturated term frequency, in [0, 1)), divided by the sum of the weights.
So it lies in [0, 1) whatever the query: a document that holds the rare half of a query scores about a half.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection

from search.keywords import postgresql, sqlite
from search.keywords.terms import PREFIX_MIN_CHARS, Term, Weighed


@dataclass(frozen=True)
class Question:
    """A query's words, weighed once; then asked as often as it takes."""

    terms: tuple[Weighed, ...]

    def best(self, limit: int, among: Sequence[int] | None = None) -> list[tuple[int, float]]:
        """(asset id, score) of the `limit` best documents, of these assets or of all; newest first among equals."""
        held = [term for term in self.terms if term.holding]
        if not held or limit < 1 or (among is not None and not among):
            return []
        whole = sum(term.weight for term in self.terms)
        return [(asset_id, score / whole) for asset_id, score in _engine().best(held, limit, among)]


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
