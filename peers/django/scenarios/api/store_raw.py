"""Users by statements, one a request, over Django's connection."""

from datetime import datetime
from typing import Any

from django.db import connection

_COLUMNS = ("id", "name", "email", "created_at")
_SHOWN = ", ".join(_COLUMNS)
_ALL = f"SELECT {_SHOWN} FROM users"
_ONE = f"SELECT {_SHOWN} FROM users WHERE id = %s"
_CREATE = f"INSERT INTO users (name, email) VALUES (%s, %s) RETURNING {_SHOWN}"
_CHANGE = f"UPDATE users SET name = %s, email = %s WHERE id = %s RETURNING {_SHOWN}"
_DELETE = "DELETE FROM users WHERE id = %s"
_FIRST = f"SELECT {_SHOWN} FROM users WHERE id <= %s ORDER BY id"
_NEW_SESSION = """
    INSERT INTO sessions (token, user_id, expires_at)
    SELECT %s::text, id, %s::timestamptz FROM users WHERE id = %s
"""
_OF_SESSION = f"""
    SELECT {", ".join(f"users.{column}" for column in _COLUMNS)}
    FROM sessions JOIN users ON users.id = sessions.user_id
    WHERE sessions.token = %s AND sessions.expires_at > now()
"""


def users() -> list[dict[str, Any]]:
    return _rows(_ALL)


def user(user_id: int) -> dict[str, Any] | None:
    return _row(_ONE, user_id)


def create(name: str, email: str) -> dict[str, Any] | None:
    return _row(_CREATE, name, email)


def change(user_id: int, name: str, email: str) -> dict[str, Any] | None:
    return _row(_CHANGE, name, email, user_id)


def delete(user_id: int) -> bool:
    return _changed(_DELETE, user_id)


def first(count: int) -> list[dict[str, Any]]:
    return _rows(_FIRST, count)


def new_session(token: str, user_id: int, expires_at: datetime) -> bool:
    """Whether there is such a user."""
    return _changed(_NEW_SESSION, token, expires_at, user_id)


def of_session(token: str) -> dict[str, Any] | None:
    return _row(_OF_SESSION, token)


def _changed(statement: str, *values: Any) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.rowcount == 1


def _rows(statement: str, *values: Any) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return [dict(zip(_COLUMNS, row, strict=True)) for row in cursor.fetchall()]


def _row(statement: str, *values: Any) -> dict[str, Any] | None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        row = cursor.fetchone()
    return None if row is None else dict(zip(_COLUMNS, row, strict=True))
