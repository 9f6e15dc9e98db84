"""Many ids into a query and out of it, without the ORM's work on each of them.

Django spells out `IN (%s, %s, ...)`, prepares each id by itself and the database parses as many placeholders: for
the few hundred candidates of a search that costs more than finding them.
"""

import json
from collections.abc import Callable, Iterable
from copy import copy
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet
from django.db.models.expressions import BaseExpression, Col, RawSQL
from django.db.models.lookups import Exact, In
from django.db.models.sql import AND, Query
from django.db.models.sql.constants import LOUTER
from django.db.models.sql.where import WhereNode

#: Beyond it no database of ours compares.
MAX_ID = 2**63 - 1


def any_of(ids: Iterable[int]) -> RawSQL:
    """For `filter(pk__in=any_of(ids))`."""
    sql, parameter = listed(ids)
    return RawSQL(sql, [parameter])  # noqa: S611 - the SQL is our own, the ids are its parameter


def listed(ids: Iterable[int]) -> tuple[str, Any]:
    """A SELECT of these ids with one placeholder, and its parameter."""
    if connection.vendor == "postgresql":
        return "SELECT unnest(%s::bigint[])", list(ids)
    return "SELECT value FROM json_each(%s)", json.dumps(list(ids))


def rows_of(values: QuerySet[Any, Any]) -> list[tuple[Any, ...]]:
    """What a `values_list` selects, straight from the cursor."""
    try:
        return _fetched(*values.query.sql_with_params())
    except EmptyResultSet:  # a condition that Django itself knows to be false
        return []


class Prepared:
    """A `values_list` of rows by their ids, put together once in a process and then run with other ids.

    For a few dozen rows the ORM takes longer to put a query together than a database to answer it. Rows come straight
    from the cursor: for numbers, words and bytes, which no field converts.
    """

    def __init__(self, build: Callable[[RawSQL], QuerySet[Any, Any]]) -> None:
        """build: the query, given what stands for the ids, as `any_of` gives it. It may depend on nothing else."""
        self._build = build
        self._put_together: dict[str, tuple[str, tuple[Any, ...]]] = {}

    def rows(self, ids: Iterable[int] = ()) -> list[tuple[Any, ...]]:
        """What it selects for these ids."""
        sql_of_ids, these = listed(ids)
        vendor = connection.vendor
        if vendor not in self._put_together:
            query = self._build(RawSQL(sql_of_ids, [_IDS])).query  # noqa: S611 - as in `any_of`
            self._put_together[vendor] = query.sql_with_params()
        sql, parameters = self._put_together[vendor]
        return _fetched(sql, tuple(these if one is _IDS else one for one in parameters))


class KeysOf:
    """Tells which of some ids are keys of these rows. The query is put together once and run as often as one likes.

    It asks of each id by itself whether such a row exists: given the ids as a list, a database may walk through all
    rows that fit instead.
    """

    def __init__(self, rows: QuerySet[Any]) -> None:
        keyed = rows.order_by().filter(pk=_ASKED).values("pk")
        (key,) = keyed.query.select
        keyed.query.where = _of_the_asked(keyed.query.where, key)
        try:
            self._known: tuple[str, tuple[Any, ...]] | None = keyed.query.sql_with_params()
        except EmptyResultSet:  # a condition that Django itself knows to be false
            self._known = None

    def among(self, ids: Iterable[int]) -> list[int]:
        """Those that are."""
        if self._known is None:
            return []
        known, given = self._known
        asked, these = listed(ids)
        if connection.vendor == "postgresql":  # which else joins the two after all
            known = f"{known} OFFSET 0"
        sql = f"WITH asked (id) AS ({asked}) SELECT id FROM asked WHERE EXISTS ({known})"  # noqa: S608 - Django's own
        return [key for (key,) in _fetched(sql, (these, *given))]


#: Stands in a prepared query where ids will be.
_IDS = object()
#: The id that is asked about.
_ASKED = RawSQL("asked.id", ())


def _of_the_asked(where: WhereNode, key: BaseExpression) -> WhereNode:
    """The same condition, with lists of keys in it narrowed to the one that is asked about.

    SQLite makes a list whole, and anew for each statement, however few are then looked for in it.
    """
    return where.create([_narrowed(one, key) for one in where.children], where.connector, where.negated)


def _narrowed(one: Any, key: BaseExpression) -> Any:
    if isinstance(one, WhereNode):
        return _of_the_asked(one, key)
    if not isinstance(one, In) or one.lhs != key or not isinstance(one.rhs, Query) or not _is_plain(one.rhs):
        return one
    narrowed = copy(one)
    narrowed.rhs = one.rhs.clone()
    (listed_key,) = narrowed.rhs.select
    narrowed.rhs.where.add(Exact(listed_key, _ASKED), AND)
    return narrowed


def _is_plain(listing: Query) -> bool:
    """Whether a condition on what it lists leaves the rest as it is, and it lists no NULL, which `NOT IN` minds."""
    whole = not listing.combinator and not listing.is_sliced and not listing.distinct_fields
    computed = listing.group_by is not None or any(
        one.contains_over_clause for one in listing.annotations.values()
    )
    outer = any(getattr(table, "join_type", None) == LOUTER for table in listing.alias_map.values())
    if not whole or computed or outer or len(listing.select) != 1:
        return False
    (key,) = listing.select
    return isinstance(key, Col) and not key.target.null


def _fetched(sql: str, parameters: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found
