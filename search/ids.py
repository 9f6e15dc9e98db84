"""Many ids as one parameter of a query.

Django spells out `IN (%s, %s, ...)`, prepares each id by itself and the database parses as many placeholders: for
the few hundred candidates of a search that costs more than finding them.
"""

import json
from collections.abc import Iterable
from typing import Any

from django.db import connection
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
