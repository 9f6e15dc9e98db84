"""Keywords on SQLite: FTS5 with the Porter stemmer over the documents.

FTS5's bm25() gives common words no weight at all, which in a library of a few pictures is most words. So each
word is ranked by itself and its rank turned from FTS5's weight to ours, which is PostgreSQL's side's too.
"""

import json
import math
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from typing import Any

from django.db import connection

from search.columns import condition
from search.index.where import Where
from search.keywords import bm25
from search.keywords.terms import FIELD_WEIGHTS, SATURATION, Among, Assets, Term, Weighed

_FIELDS = ", ".join(map(str, FIELD_WEIGHTS))
# The lesser of the two: should another process add documents between counting and ranking, FTS5's weight may
# jump, and no word may then count for more than its whole weight.
_RANKED = f"""
    SELECT rowid AS asset_id, min(-bm25(search_keyword_fts, {_FIELDS}) * %s, %s) AS score
    FROM search_keyword_fts WHERE search_keyword_fts MATCH %s
"""  # noqa: S608 - numbers of our own
# The plus keeps SQLite from asking the index once per id: words first, then the ids.
_ALLOWED = " AND +rowid IN (SELECT id FROM allowed)"
# Materialized: SQLite folds a single SELECT into the sum, where bm25() may not be called.
_SUMMED = """
    summed AS MATERIALIZED (SELECT asset_id, sum(score) AS score FROM ranked GROUP BY asset_id)
    SELECT asset_id, score FROM (SELECT * FROM summed ORDER BY score DESC, asset_id DESC LIMIT %s)
    UNION SELECT asset_id, score FROM summed WHERE asset_id IN (SELECT id FROM beside)
    ORDER BY score DESC, asset_id DESC
"""
_BESIDE = "beside (id) AS MATERIALIZED (SELECT value FROM json_each(%s))"
_HOLDING = "SELECT rowid FROM search_keyword_fts WHERE search_keyword_fts MATCH %s"
_HOLDING_OR_BESIDE = _HOLDING + " UNION SELECT id FROM beside"  # noqa: S608 - no value in it
# Compared with a whole number, since FTS5 stops at no other.
_NEWEST = """
        AND rowid > (SELECT CAST(max(asset_id) * %s AS INTEGER) FROM search_keyworddocument)
    ORDER BY rowid DESC LIMIT %s
"""
_COUNT_HOLDING = "(SELECT count(*) FROM search_keyword_fts WHERE search_keyword_fts MATCH %s)"
# FTS5's own table of document lengths: one small row for each document, so the quickest to count.
_ALL = "SELECT count(*) FROM search_keyword_fts_docsize"
# FTS5's own sums: how many documents, then how many words in each column.
_SUMS = "SELECT block FROM search_keyword_fts_data WHERE id = 1"
_TEXTS = """
    SELECT asset_id, names, captions, auto_tags, description FROM search_keyworddocument
    WHERE asset_id IN (SELECT value FROM json_each(%s))
"""
_LEAST_FTS5_WEIGHT = 1e-6
#: Words that stand together are looked for in so many of the newest documents that hold the rarest of them.
_TOGETHER = 10_000
#: So many words are looked for together, the rarest, before all are: to look for five that nothing holds takes longest.
_AT_ONCE = 3
#: So many documents are counted each time, to the last one that this very transaction wrote.
_COUNTED = 20_000


class Fts5:
    """The questions that `matching` asks of a database."""

    #: To count a word its index is enough: a millisecond for 20,000 documents.
    common_from = 20_000

    @staticmethod
    def count() -> int:
        """How many documents there are."""
        with connection.cursor() as cursor:
            if (many := _sums(cursor)[0]) > _COUNTED:
                return many
            cursor.execute(_ALL)
            return int(cursor.fetchone()[0])

    @staticmethod
    def count_holding(terms: Sequence[Term], total: int) -> list[int]:
        """How many documents of all hold each word."""
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {', '.join([_COUNT_HOLDING] * len(terms))}", [term.as_fts5 for term in terms]
            )
            return list(cursor.fetchone())

    @staticmethod
    def holding_any(terms: Sequence[Term], among: Assets | None = None) -> list[int]:
        """Assets of all documents that hold one of these words, which are rare."""
        return _holding(" OR ".join(term.as_fts5 for term in terms), among)

    @staticmethod
    def together(terms: Sequence[Weighed], plenty: int, among: Assets | None = None) -> Iterator[list[int]]:
        """The newest assets in whose documents the first of these words stands, the rarest, those that hold more of the
        others first; then those in whose documents the second one does, and so on. As long as they are wanted.
        """
        for first, rarest in enumerate(terms):
            words = [one.term for one in terms[first:]]
            # Some assets alone need not be among the newest of all.
            share = min(1.0, _TOGETHER / rarest.holding) if among is None else 1.0
            newest = partial(_newest_holding, limit=plenty, share=share, among=among)
            if len(words) > 1:
                held = newest(words[:2])
                # Where there are no more, those that hold a third word are among them.
                if len(held) == plenty and len(words) > 2:
                    several = newest(words[:_AT_ONCE])
                    if len(several) == plenty and len(words) > _AT_ONCE:
                        # There are more of these, and among the older ones may be some that hold all of the words.
                        yield newest(words)
                    yield several
                yield held
            # Alone it is found at once; together with others perhaps nowhere, and after a long search.
            yield newest(words[:1], share=1.0)

    @staticmethod
    def scored(terms: Sequence[Weighed], ids: Collection[int]) -> list[tuple[int, float]]:
        """As `best` among these assets, by reading their documents instead of the index: for common words."""
        with connection.cursor() as cursor:
            documents, *words = _sums(cursor)
            cursor.execute(_TEXTS, [json.dumps(list(ids))])
            return bm25.ranked(terms, cursor.fetchall(), sum(words) / max(documents, 1))

    @staticmethod
    def best(
        terms: Sequence[Weighed], limit: int, among: Among, beside: Collection[int] = ()
    ) -> list[tuple[int, float]]:
        """The best documents among some, and those of `beside`, with their scores, not yet divided."""
        table, given, narrowed = _narrowing(among)
        tables = ", ".join(filter(None, [_BESIDE, table]))
        parameters = [json.dumps(list(beside)), *given]
        for one in terms:
            parameters += [
                one.weight / _fts5_weight(one) / (SATURATION + 1),
                one.weight,
                one.term.as_fts5,
            ]
        ranked = " UNION ALL ".join([_RANKED + narrowed] * len(terms))
        with connection.cursor() as cursor:
            cursor.execute(
                f"WITH {tables}, ranked AS MATERIALIZED ({ranked}), {_SUMMED}", [*parameters, limit]
            )
            found: list[tuple[int, float]] = cursor.fetchall()
        return found


def _newest_holding(terms: Sequence[Term], limit: int, share: float, among: Assets | None) -> list[int]:
    """The newest assets in whose documents all of these words stand, of the newest share of all documents."""
    return _holding(" AND ".join(term.as_fts5 for term in terms), among, _NEWEST, [1 - share, limit])


def _holding(words: str, among: Assets | None, rest: str = "", parameters: Sequence[Any] = ()) -> list[int]:
    """Assets in whose documents this stands."""
    table, given, narrowed = _narrowing(among)
    tables = f"WITH {table}" if table else ""
    if isinstance(among, Where) and among.named:
        words = f"({words}) AND names : ({' AND '.join(Term(word).as_fts5 for word in among.named)})"
    with connection.cursor() as cursor:
        cursor.execute(f"{tables} {_HOLDING}{narrowed}{rest}", [*given, words, *parameters])
        return [asset_id for (asset_id,) in cursor.fetchall()]


def _narrowing(among: Among) -> tuple[str, list[Any], str]:
    """A table of allowed ids, made once for all words, its parameter, and a condition on each document."""
    if among is None:
        return "", [], ""
    if isinstance(among, Where):
        return "", [], f" AND {condition(among, 'search_keyword_fts.rowid')}"
    words = [one.as_fts5 for one in among if isinstance(one, Term)]
    if words:
        allowed, given = _HOLDING_OR_BESIDE, " OR ".join(words)
    else:
        allowed, given = "SELECT value FROM json_each(%s)", json.dumps(list(among))
    return f"allowed (id) AS MATERIALIZED ({allowed})", [given], _ALLOWED


def _sums(cursor: Any) -> list[int]:
    """FTS5's own sums, each a number in SQLite's variable length: seven bits a byte, the last below 128."""
    cursor.execute(_SUMS)
    found: list[int] = []
    number = 0
    for byte in bytes(cursor.fetchone()[0]):
        number = number << 7 | byte & 127
        if byte < 128:
            found.append(number)
            number = 0
    return found or [0]


def _fts5_weight(one: Weighed) -> float:
    """The weight that bm25() itself gives the word."""
    weight = math.log((one.total - one.holding + 0.5) / (one.holding + 0.5))
    return weight if weight > 0 else _LEAST_FTS5_WEIGHT
