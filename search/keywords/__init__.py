"""Search by words: a document per asset, and the full-text index that the database keeps over it."""

from search.keywords.documents import refresh, stale_asset_ids
from search.keywords.holding import holding_all
from search.keywords.matched import matched_words
from search.keywords.matching import Question, ask
from search.keywords.terms import Term
from search.keywords.words import query_words

__all__ = [
    "Question",
    "Term",
    "ask",
    "holding_all",
    "matched_words",
    "query_words",
    "refresh",
    "stale_asset_ids",
]
