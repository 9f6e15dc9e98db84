"""On SQLite the key of what is kept of an asset is the row's own number.

Django calls it `bigint`, and only an `integer` is: so each was found by an index first, and then by that row's number.
Whoever lets Django alter one of these tables later has it made anew with the former type.
"""

from django.db import migrations

_TABLES = ("search_keyworddocument", "search_assetcolumns", "search_suggestedwords")
_BIGINT, _INTEGER = '"asset_id" bigint NOT NULL PRIMARY KEY', '"asset_id" integer NOT NULL PRIMARY KEY'


def forwards(apps, schema_editor):
    if schema_editor.connection.vendor != "sqlite":
        return
    with schema_editor.connection.cursor() as cursor:
        for table in _TABLES:
            _rewrite(cursor, table)


def _rewrite(cursor, table):
    cursor.execute("SELECT type, sql FROM sqlite_master WHERE tbl_name = %s AND sql IS NOT NULL", [table])
    made = cursor.fetchall()
    (whole,) = (sql for kind, sql in made if kind == "table")
    if _BIGINT not in whole:
        return
    new = f"new__{table}"
    cursor.execute(whole.replace(f'"{table}"', f'"{new}"', 1).replace(_BIGINT, _INTEGER))
    cursor.execute(f"INSERT INTO {new} SELECT * FROM {table} ORDER BY asset_id")  # noqa: S608 - names of our own
    cursor.execute(f"DROP TABLE {table}")  # with its indexes and triggers, and firing none
    cursor.execute(f"ALTER TABLE {new} RENAME TO {table}")
    for kind, sql in made:
        if kind != "table":
            cursor.execute(sql)


class Migration(migrations.Migration):
    dependencies = [("search", "0011_dotless_i")]
    operations = [migrations.RunPython(forwards, migrations.RunPython.noop)]
