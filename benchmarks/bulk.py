"""Rows by the hundred thousand as fast as the database takes them: SQLite by one statement, PostgreSQL by COPY."""

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any, cast

from django.core.management.color import no_style
from django.db import connection, models


def insert(model: type[models.Model], rows: Iterable[Mapping[str, Any]]) -> None:
    """Rows by names of columns, all with the same ones; what they leave out gets the default of its field."""
    rest = iter(rows)
    first = next(rest, None)
    if first is None:
        return
    fields = {one.column: one for one in model._meta.concrete_fields}
    defaults = {
        column: one.get_db_prep_save(one.get_default(), connection)
        for column, one in fields.items()
        if column not in first and not one.primary_key
    }
    columns = [*first, *defaults]
    moments = [column for column in first if isinstance(fields[column], models.DateTimeField)]
    values = ((*_adapted(row, moments).values(), *defaults.values()) for row in chain([first], rest))
    names = ", ".join(f'"{column}"' for column in columns)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {model._meta.db_table} ({names}) FROM STDIN") as copy:
                for row in values:
                    copy.write_row(row)
        else:
            marks = ", ".join(["%s"] * len(columns))
            cursor.executemany(
                f"INSERT INTO {model._meta.db_table} ({names}) VALUES ({marks})",  # noqa: S608 - names of our own
                cast(Any, values),  # as they come: a million rows need not be held
            )


def own_sequences(*inserted: type[models.Model]) -> None:
    """Has the database give the next primary keys behind those that were given here."""
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), list(inserted)):
            cursor.execute(statement)


def settle() -> None:
    """What PostgreSQL does by itself some minutes after so many rows came: until then it plans without knowing them."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM (ANALYZE)")


def _adapted(row: Mapping[str, Any], moments: Iterable[str]) -> Mapping[str, Any]:
    """As the database keeps it: of what is given here only moments differ."""
    return {**row, **{column: connection.ops.adapt_datetimefield_value(row[column]) for column in moments}}
