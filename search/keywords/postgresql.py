"""Keywords on PostgreSQL: a generated tsvector with the English stemmer, under a GIN index.

PostgreSQL's own ranks know nothing of rare words, and end on another scale than BM25: so each word is ranked by
itself and its rank turned into BM25's saturated frequency. A single hit in a field of weight w ranks
w * 6/pi^2; with the field weights divided by the greatest, `_TO_FREQUENCY` turns that back into the weight. What
BM25 has and this has not is the length of documents.
"""

import math
from collections.abc import Collection, Iterator, Sequence
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
#: So many documents are counted each time.
_COUNTED = 20_000
# What PostgreSQL knows of the table without counting is below 0 where it never looked.
_COUNT = f"""
    SELECT CASE WHEN reltuples > {_COUNTED} THEN reltuples::bigint
        ELSE (SELECT count(*) FROM search_keyworddocument) END
    FROM pg_class WHERE oid = 'search_keyworddocument'::regclass
"""  # noqa: S608 - a number of our own
_IS_HELD = "words @@ to_tsquery('english', %s)"
_HOLDING = f"SELECT asset_id FROM search_keyworddocument WHERE {_IS_HELD} AND {_ALL}"  # noqa: S608 - no value in it
_FIRST = " ORDER BY {held} DESC LIMIT %s"
# An expression, since PostgreSQL else takes words for independent, and goes from the newest document on through all of
# the table for what hardly any of them holds.
_FEW = "0 + asset_id"
_NEWEST = " AND asset_id > (SELECT (max(asset_id) * %s)::bigint FROM search_keyworddocument)"
# Its newest documents lie side by side: to read them takes no longer than to look into an index.
_SAMPLE = """
    SELECT asset_id, {further}
    FROM (SELECT asset_id, words FROM search_keyworddocument ORDER BY asset_id DESC LIMIT %s) AS newest
    WHERE words @@ to_tsquery('english', %s)
"""
_SAMPLED = 4_000
#: Words that no more documents hold are looked for among all.
_TOGETHER = 10_000
# What ANALYZE found in a sample of, as it is set up, 30,000 documents: the share that holds each of the commonest
# lexemes. One of 60 in the sample is known within a quarter of itself, with a probability of 95%.
_LEAST_SHARE = 0.002
_ABOUT_FROM = 2_000
_KNOWN = f"""
    WITH known AS MATERIALIZED (
        SELECT lexeme, (share * reltuples)::bigint AS holding
        FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
        JOIN pg_stats ON schemaname = nspname AND tablename = relname AND attname = 'words',
        unnest(most_common_elems::text::text[], most_common_elem_freqs) AS one (lexeme, share)
        WHERE pg_class.oid = 'search_keyworddocument'::regclass
        AND share >= {_LEAST_SHARE} AND share * reltuples > {_ABOUT_FROM}
    )
"""  # noqa: S608 - numbers of our own
_COUNT_HOLDING = f"(SELECT count(*) FROM search_keyworddocument WHERE {_IS_HELD})"  # noqa: S608 - no value in it
_ABOUT_HOLDING = f"""
    coalesce(
        (SELECT holding FROM known WHERE lexeme = (tsvector_to_array(to_tsvector('english', %s)))[1]),
        {_COUNT_HOLDING}
    )
"""  # noqa: S608 - no value in it
# Materialized: else each word is stemmed anew for each document.
_BEST = f"""
    WITH terms AS MATERIALIZED (
        SELECT to_tsquery('english', word) AS term, weight
        FROM unnest(%s::text[], %s::float8[]) AS asked (word, weight)
    ),
    held AS (
        SELECT asset_id, weight, ts_rank('{_RANKS}', words, term) * {_TO_FREQUENCY} AS frequency
        FROM terms JOIN search_keyworddocument ON words @@ term
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

    #: To count a word PostgreSQL visits each document that holds it: half a millisecond for a thousand.
    common_from = 1_000

    @staticmethod
    def count() -> int:
        """How many documents there are; where they are many, near enough."""
        with connection.cursor() as cursor:
            cursor.execute(_COUNT)
            return int(cursor.fetchone()[0])

    @staticmethod
    def count_holding(terms: Sequence[Term], total: int) -> list[int]:
        """How many documents of all hold each word; where they are many, near enough."""
        statistics = _KNOWN if total > _COUNTED else ""
        selects, given = [], []
        for term in terms:
            told = statistics and not term.prefix
            selects.append(_ABOUT_HOLDING if told else _COUNT_HOLDING)
            given += [term.word, term.as_tsquery] if told else [term.as_tsquery]
        with connection.cursor() as cursor:
            cursor.execute(f"{statistics} SELECT {', '.join(selects)}", given)
            return list(cursor.fetchone())

    @staticmethod
    def holding_any(terms: Sequence[Term], among: Assets | None = None) -> list[int]:
        """Assets of all documents that hold one of these words, which are rare."""
        return _holding(_any_of(terms), among)

    @staticmethod
    def together(terms: Sequence[Weighed], plenty: int, among: Assets | None = None) -> Iterator[list[int]]:
        """Assets whose documents hold some of these words, the rarest word first, in lists to be read as far as wanted.

        The first list: documents with the rarest word and others, those with the most words first, the newest among
        equals. The second: those with the rarest word alone. Then the same for the next word, and so on.
        """
        if among is not None and not isinstance(among, Where):
            # Each is looked up, so all that they hold is seen at once.
            yield _holding_most(_any_of([one.term for one in terms]), terms, plenty, among)
            return
        for first in range(len(terms)):
            if len(terms) > first + 1:
                yield from _holding_several(terms[first:], plenty, among)
            word = terms[first].term.as_tsquery
            few = (
                bool(_named(among))
                and _holding_about(_sample([word], among), terms[first].total) <= _TOGETHER
            )
            yield _holding_most(word, (), plenty, among, few=few)

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


def _holding_several(terms: Sequence[Weighed], plenty: int, among: Where | None) -> Iterator[list[int]]:
    """Of documents that hold at least the first two of these words.

    A database can say which documents hold several words, and how many they are only by visiting each. Where that may
    be very many, the newest documents tell how many of the words it takes to be held by few.
    """
    several = [_all_of(terms[: 2 + more]) for more in range(len(terms) - 1)]
    newest: list[tuple[int, int]] = []
    rare, held = 0, 0.0
    if terms[0].holding > _TOGETHER:
        newest = _sample(several, among)
        for rare in range(len(several)):
            held = _holding_about([one for one in newest if one[1] >= rare], terms[0].total)
            if held <= _TOGETHER:
                break
    few = held <= _TOGETHER
    share = 1.0 if few or among is not None else _TOGETHER / held
    yield _holding_most(several[rare], terms[2 + rare :], plenty, among, share, few=few)
    if among is None:
        yield [asset_id for asset_id, _ in newest[:plenty]]
    elif rare:
        yield _holding_most(several[0], terms[2:], plenty, among)


def _sample(several: Sequence[str], among: Where | None) -> list[tuple[int, int]]:
    """Those of the newest documents for which the first of these questions holds, and how many of the others do, each
    of which asks for more than the one before it; those first for which most do. Where names are asked for, of what has
    them.
    """
    further = " + ".join([f"({_IS_HELD})::int"] * (len(several) - 1)) or "0"
    first = " & ".join(filter(None, [several[0], _named(among)]))
    with connection.cursor() as cursor:
        cursor.execute(_SAMPLE.format(further=further), [*several[1:], _SAMPLED, first])
        return sorted(cursor.fetchall(), key=lambda one: (one[1], one[0]), reverse=True)


def _holding_about(newest: Sequence[object], total: int) -> float:
    """How many of all documents, where these are the ones of the sample."""
    return len(newest) * total / _SAMPLED


def _holding_most(
    words: str,
    others: Sequence[Weighed],
    plenty: int,
    among: Assets | None,
    share: float = 1.0,
    *,
    few: bool = False,
) -> list[int]:
    """So many assets of whose documents this holds, of the newest share of all documents; those first in which most of
    the other words stand, by weight. few: it holds of few.
    """
    held = " + ".join([f"({_IS_HELD})::int * %s::float8"] * len(others))
    first = _FIRST.format(held=f"{held} DESC, asset_id" if others else _FEW if few else "asset_id")
    weights = [given for one in others for given in (one.term.as_tsquery, one.weight)]
    rest, newest = (_NEWEST, [1 - share]) if share < 1 else ("", [])
    return _holding(words, among, rest + first, [*newest, *weights, plenty])


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
        holds = condition(among, "search_keyworddocument.asset_id")
        named = _named(among)
        # What is a word to a database depends on its locale: of none of them anything may be called so.
        called = f"(numnode(to_tsquery('english', %s)) = 0 OR {_IS_HELD})"
        return (f"{holds} AND {called}", [named, named]) if named else (holds, [])
    words = [one for one in among if isinstance(one, Term)]
    if words:
        return f"({_IS_HELD} OR asset_id = ANY(%s))", [_any_of(words), list(beside)]
    return "asset_id = ANY(%s)", [list(among)]


def _named(among: Assets | None) -> str:
    """What stands in the names of all of these; nothing where nothing is known to."""
    words = among.named if isinstance(among, Where) else ()
    return " & ".join(f"{Term(word).as_tsquery}:A" for word in words)


def _any_of(terms: Sequence[Term]) -> str:
    return " | ".join(term.as_tsquery for term in terms)


def _all_of(terms: Sequence[Weighed]) -> str:
    return " & ".join(one.term.as_tsquery for one in terms)
