"""How SQLite means to answer a query. PostgreSQL decides by what it has counted, of which a few rows say nothing."""

from django.db import connection, transaction


def plan_of(sql: str) -> str:
    """The steps of the plan, in one line."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
        return " / ".join(step for *_, step in cursor.fetchall())


def plan_by_index_of(sql: str) -> str:
    """As `plan_of`, and what PostgreSQL does where going through the whole table costs too much, as it does of many."""
    if connection.vendor == "sqlite":
        return plan_of(sql)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {sql}")
        plan = " / ".join(step for (step,) in cursor.fetchall())
        cursor.execute("SET LOCAL enable_seqscan = on")
    return plan
