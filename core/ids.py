"""Many ids into a query and out of it, without the ORM's work on each of them.

Django spells out `IN (%s, %s, ...)`, prepares each id by itself and the database parses as many placeholders: for
the few hundred candidates of a search that costs more than finding them.
"""

import json
from collections.abc import Iterable
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Model, QuerySet
from django.db.models.expressions import RawSQL


def any_of(ids: Iterable[int]) -> RawSQL:
    """For `filter(pk__in=any_of(ids))`."""
    sql, parameter = listed(ids)
    return RawSQL(sql, [parameter])  # noqa: S611 - the SQL is our own, the ids are its parameter


def listed(ids: Iterable[int]) -> tuple[str, Any]:
    """A SELECT of these ids with one placeholder, and its parameter."""
    if connection.vendor == "postgresql":
        return "SELECT unnest(%s::bigint[])", list(ids)
    return "SELECT value FROM json_each(%s)", json.dumps(list(ids))


def keys_in(rows: QuerySet[Model]) -> list[int]:
    """Primary keys of all rows, straight from the cursor."""
    return [key for (key,) in rows_of(rows.values_list("pk"))]


def rows_of(values: QuerySet[Any, Any]) -> list[tuple[Any, ...]]:
    """What a `values_list` selects, straight from the cursor."""
    try:
        sql, parameters = values.query.sql_with_params()
    except EmptyResultSet:  # a condition that Django itself knows to be false
        return []
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found
