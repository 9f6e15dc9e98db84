"""Keywords on SQLite: FTS5 with the Porter stemmer over the documents.

FTS5's bm25() gives common words no weight at all, which in a library of a few pictures is most words. So each
word is ranked by itself and its rank turned from FTS5's weight to ours, which is PostgreSQL's side's too.
"""

import json
import math
from collections.abc import Sequence

from django.db import connection

from search.keywords.terms import FIELD_WEIGHTS, SATURATION, Term, Weighed

_FIELDS = ", ".join(map(str, FIELD_WEIGHTS))
# The lesser of the two: should another process add documents between counting and ranking, FTS5's weight may
# jump, and no word may then count for more than its whole weight.
_RANKED = f"""
    SELECT rowid AS asset_id, min(-bm25(search_keyword_fts, {_FIELDS}) * %s, %s) AS score
    FROM search_keyword_fts WHERE search_keyword_fts MATCH %s
"""  # noqa: S608 - numbers of our own
# The plus keeps SQLite from asking the index once per id: words first, then the ids.
_AMONG = " AND +rowid IN (SELECT value FROM json_each(%s))"
_HOLDING = "(SELECT count(*) FROM search_keyword_fts WHERE search_keyword_fts MATCH %s)"
_LEAST_FTS5_WEIGHT = 1e-6


class Fts5:
    """The questions that `matching` asks of a database."""

    @staticmethod
    def count_holding(terms: Sequence[Term]) -> tuple[int, list[int]]:
        """How many documents there are, and how many hold each word."""
        counts = ["(SELECT count(*) FROM search_keyworddocument)", *[_HOLDING] * len(terms)]
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {', '.join(counts)}", [_quoted(term) for term in terms])
            total, *holding = cursor.fetchone()
        return total, holding

    @staticmethod
    def best(terms: Sequence[Weighed], limit: int, among: Sequence[int] | None) -> list[tuple[int, float]]:
        """Best documents with their scores, not yet divided."""
        ranked = _RANKED if among is None else _RANKED + _AMONG
        narrowed = [] if among is None else [json.dumps(list(among))]
        parameters: list[float | str | int] = []
        for one in terms:
            parameters += [one.weight / _fts5_weight(one) / (SATURATION + 1), one.weight, _quoted(one.term)]
            parameters += narrowed
        with connection.cursor() as cursor:
            cursor.execute(
                # Materialized: SQLite folds a single SELECT into the sum, where bm25() may not be called.
                f"WITH ranked AS MATERIALIZED ({' UNION ALL '.join([ranked] * len(terms))}) "  # noqa: S608 - the pieces above
                "SELECT asset_id, sum(score) FROM ranked GROUP BY asset_id ORDER BY 2 DESC, 1 DESC LIMIT %s",
                [*parameters, limit],
            )
            found: list[tuple[int, float]] = cursor.fetchall()
        return found


def _fts5_weight(one: Weighed) -> float:
    """The weight that bm25() itself gives the word."""
    weight = math.log((one.total - one.holding + 0.5) / (one.holding + 0.5))
    return weight if weight > 0 else _LEAST_FTS5_WEIGHT


def _quoted(term: Term) -> str:
    """A word as an FTS5 string: letters and digits only, so nothing in it can be an operator."""
    return f'"{term.word}"' + ("*" if term.prefix else "")
