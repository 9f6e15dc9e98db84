"""Keywords on PostgreSQL: a generated tsvector with the English stemmer, under a GIN index.

PostgreSQL's own ranks know nothing of rare words, and end on another scale than BM25: so each word is ranked by
itself and its rank turned into BM25's saturated frequency. A single hit in a field of weight w ranks
w * 6/pi^2; with the field weights divided by the greatest, `_TO_FREQUENCY` turns that back into the weight. What
BM25 has and this has not is the length of documents.
"""

import math
from collections.abc import Collection, Sequence
from typing import Any

from django.db import connection

from search.columns import condition
from search.index.where import Where
from search.keywords.terms import FIELD_WEIGHTS, SATURATION, Among, Assets, Term, Weighed

_GREATEST = max(FIELD_WEIGHTS)
_TO_FREQUENCY = _GREATEST * math.pi**2 / 6
#: In the order of PostgreSQL's array: D, C, B, A.
_RANKS = "{" + ", ".join(str(weight / _GREATEST) for weight in reversed(FIELD_WEIGHTS)) + "}"
_ALL = "/* narrowed */ true"
#: What PostgreSQL knows of the table without counting; below 0 where it never looked.
_ABOUT = "SELECT reltuples::bigint FROM pg_class WHERE oid = 'search_keyworddocument'::regclass"
_COUNT = "SELECT count(*) FROM search_keyworddocument"
#: So many documents are counted each time.
_COUNTED = 20_000
_HOLDING = f"""
    SELECT asset_id FROM search_keyworddocument WHERE words @@ to_tsquery('english', %s) AND {_ALL}
"""  # noqa: S608 - no value in it
_NEWEST = """
        AND asset_id > (SELECT (max(asset_id) * %s)::bigint FROM search_keyworddocument)
    ORDER BY asset_id DESC LIMIT %s
"""
_COUNT_HOLDING = "(SELECT count(*) FROM search_keyworddocument WHERE words @@ to_tsquery('english', %s))"
_BEST = f"""
    WITH held AS (
        SELECT asset_id, weight, ts_rank('{_RANKS}', words, term) * {_TO_FREQUENCY} AS frequency
        FROM (
            SELECT to_tsquery('english', word) AS term, weight
            FROM unnest(%s::text[], %s::float8[]) AS asked (word, weight)
        ) AS terms
        JOIN search_keyworddocument ON words @@ term
        WHERE {_ALL}
    ),
    summed AS MATERIALIZED (
        SELECT asset_id, sum(weight * frequency / (frequency + {SATURATION})) AS score FROM held GROUP BY asset_id
    )
    (SELECT asset_id, score FROM summed ORDER BY score DESC, asset_id DESC LIMIT %s)
    UNION SELECT asset_id, score FROM summed WHERE asset_id = ANY(%s)
    ORDER BY score DESC, asset_id DESC
"""  # noqa: S608 - numbers of our own


class TextSearch:
    """The questions that `matching` asks of a database."""

    @staticmethod
    def count() -> int:
        """How many documents there are; where they are many, near enough."""
        with connection.cursor() as cursor:
            cursor.execute(_ABOUT)
            about = int(cursor.fetchone()[0])
            if about <= _COUNTED:
                cursor.execute(_COUNT)
                about = int(cursor.fetchone()[0])
        return about

    @staticmethod
    def count_holding(terms: Sequence[Term]) -> list[int]:
        """How many documents hold each word."""
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {', '.join([_COUNT_HOLDING] * len(terms))}", [term.as_tsquery for term in terms]
            )
            return list(cursor.fetchone())

    @staticmethod
    def holding_any(terms: Sequence[Term], among: Assets | None = None) -> list[int]:
        """Assets of all documents that hold one of these words, which are rare."""
        return _holding(" | ".join(term.as_tsquery for term in terms), among)

    @staticmethod
    def newest_holding(
        terms: Sequence[Term], limit: int, share: float, among: Assets | None = None
    ) -> list[int]:
        """The newest assets in whose documents all of these words stand, of the newest share of all documents."""
        return _holding(" & ".join(term.as_tsquery for term in terms), among, _NEWEST, [1 - share, limit])

    @staticmethod
    def scored(terms: Sequence[Weighed], ids: Collection[int]) -> list[tuple[int, float]]:
        """As `best` among these assets, each looked up by itself."""
        return TextSearch.best(terms, len(ids), ids) if ids else []

    @staticmethod
    def best(
        terms: Sequence[Weighed], limit: int, among: Among, beside: Collection[int] = ()
    ) -> list[tuple[int, float]]:
        """The best documents among some, and those of `beside`, with their scores, not yet divided."""
        words, weights = [one.term.as_tsquery for one in terms], [one.weight for one in terms]
        narrowing, narrowed = _narrowing(among, beside)
        with connection.cursor() as cursor:
            cursor.execute(_BEST.replace(_ALL, narrowing), [words, weights, *narrowed, limit, list(beside)])
            found: list[tuple[int, float]] = cursor.fetchall()
        return found


def _holding(words: str, among: Assets | None, rest: str = "", parameters: Sequence[Any] = ()) -> list[int]:
    """Assets in whose documents this stands."""
    narrowing, narrowed = _narrowing(among)
    with connection.cursor() as cursor:
        cursor.execute(_HOLDING.replace(_ALL, narrowing) + rest, [words, *narrowed, *parameters])
        return [asset_id for (asset_id,) in cursor.fetchall()]


def _narrowing(among: Among, beside: Collection[int] = ()) -> tuple[str, list[Any]]:
    """A condition on documents and its parameters."""
    if among is None:
        return _ALL, []
    if isinstance(among, Where):
        return condition(among, "search_keyworddocument.asset_id"), []
    any_word = [one.as_tsquery for one in among if isinstance(one, Term)]
    if any_word:
        return "(words @@ to_tsquery('english', %s) OR asset_id = ANY(%s))", [
            " | ".join(any_word),
            list(beside),
        ]
    return "asset_id = ANY(%s)", [list(among)]
