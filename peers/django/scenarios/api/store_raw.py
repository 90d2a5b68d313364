"""Users by statements, one a request, over Django's connection."""

from typing import Any

from django.db import connection

_COLUMNS = ("id", "name", "email", "created_at")
_SHOWN = ", ".join(_COLUMNS)
_ALL = f"SELECT {_SHOWN} FROM users"
_ONE = f"SELECT {_SHOWN} FROM users WHERE id = %s"
_CREATE = f"INSERT INTO users (name, email) VALUES (%s, %s) RETURNING {_SHOWN}"
_CHANGE = f"UPDATE users SET name = %s, email = %s WHERE id = %s RETURNING {_SHOWN}"
_DELETE = "DELETE FROM users WHERE id = %s"


def users() -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(_ALL)
        return [dict(zip(_COLUMNS, row, strict=True)) for row in cursor.fetchall()]


def user(user_id: int) -> dict[str, Any] | None:
    return _row(_ONE, user_id)


def create(name: str, email: str) -> dict[str, Any] | None:
    return _row(_CREATE, name, email)


def change(user_id: int, name: str, email: str) -> dict[str, Any] | None:
    return _row(_CHANGE, name, email, user_id)


def delete(user_id: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_DELETE, [user_id])
        return cursor.rowcount == 1


def _row(statement: str, *values: Any) -> dict[str, Any] | None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        row = cursor.fetchone()
    return None if row is None else dict(zip(_COLUMNS, row, strict=True))
