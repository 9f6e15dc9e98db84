"""How SQLite means to answer a query. PostgreSQL decides by what it has counted, of which a few rows say nothing."""

from django.db import connection


def plan_of(sql: str) -> str:
    """The steps of the plan, in one line."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
        return " / ".join(step for *_, step in cursor.fetchall())
