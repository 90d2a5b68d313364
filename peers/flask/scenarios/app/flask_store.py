"""Postgres by psycopg's pool: a thread that waits for a statement leaves the interpreter to the others."""

from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool

import inputs
import settings

pool = ConnectionPool(
    kwargs={
        "host": settings.DATABASE_HOST,
        "user": "pouco",
        "dbname": "pouco",
        "options": f"-c timezone=UTC -c statement_timeout={settings.STATEMENT_SECONDS}s",
        # A statement is a transaction.
        "autocommit": True,
        # Parameters as Postgres numbers them.
        "cursor_factory": psycopg.RawCursor,
        "row_factory": dict_row,
    },
    min_size=settings.CONNECTIONS,
    max_size=settings.CONNECTIONS,
    timeout=settings.POOL_SECONDS,
    # Who serves opens it: gunicorn.conf.py.
    open=False,
)


def rows(statement: str, *values: Any) -> list[dict[str, Any]]:
    with pool.connection() as connection:
        return connection.execute(statement, values, binary=True).fetchall()


def first(statement: str, *values: Any) -> dict[str, Any] | None:
    found = rows(statement, *values)
    return found[0] if found else None


def row(statement: str, *values: Any) -> dict[str, Any]:
    try:
        return inputs.found(first(statement, *values))
    except psycopg.errors.UniqueViolation:
        raise inputs.taken() from None
