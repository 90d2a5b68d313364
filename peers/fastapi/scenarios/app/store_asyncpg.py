"""Users through asyncpg alone: a statement a request, which the driver prepares once a connection."""

import asyncio
import logging
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import asyncpg

import settings

_COLUMNS = "id, name, email, created_at"
ALL = f"SELECT {_COLUMNS} FROM users"
ONE = f"SELECT {_COLUMNS} FROM users WHERE id = $1"
CREATE = f"INSERT INTO users (name, email) VALUES ($1, $2) RETURNING {_COLUMNS}"
CHANGE = f"UPDATE users SET name = $2, email = COALESCE($3, email) WHERE id = $1 RETURNING {_COLUMNS}"
DELETE = "DELETE FROM users WHERE id = $1 RETURNING id"

# What a statement may take.
MOST_SECONDS = 60
RETRY_SECONDS = 0.5

log = logging.getLogger("uvicorn.error")


async def _as_it_is(connection: asyncpg.Connection) -> None:
    """Instead of asyncpg's own reset, a round trip: no statement here changes its session."""


class Store:
    # Of a row as it is given here, in the order of the columns.
    values = staticmethod(itemgetter("id", "name", "email", "created_at"))
    _pool: asyncpg.Pool

    async def open(self) -> None:
        """Waits for Postgres."""
        while True:
            try:
                self._pool = await asyncpg.create_pool(
                    host=settings.DATABASE_HOST,
                    user="pouco",
                    database="pouco",
                    min_size=settings.CONNECTIONS,
                    max_size=settings.CONNECTIONS,
                    command_timeout=MOST_SECONDS,
                    reset=_as_it_is,
                )
                return
            # No socket yet, or a server that is still starting or recovering.
            except (OSError, asyncpg.PostgresError) as error:
                log.warning("Postgres is not ready: %s", error)
                await asyncio.sleep(RETRY_SECONDS)

    async def close(self) -> None:
        await self._pool.close()

    async def users(self) -> Sequence[Any]:
        return [dict(row) for row in await self._pool.fetch(ALL)]

    async def user(self, user_id: int) -> Any | None:
        return _user(await self._pool.fetchrow(ONE, user_id))

    async def create(self, name: str, email: str) -> Any | None:
        """Nothing where the address is taken."""
        try:
            return _user(await self._pool.fetchrow(CREATE, name, email))
        except asyncpg.UniqueViolationError:
            return None

    async def change(self, user_id: int, name: str, email: str | None) -> Any | None:
        """As `create`, and without an address it stays; a `LookupError` where there is no such user."""
        try:
            row = await self._pool.fetchrow(CHANGE, user_id, name, email)
        except asyncpg.UniqueViolationError:
            return None
        if row is None:
            raise LookupError
        return _user(row)

    async def delete(self, user_id: int) -> bool:
        return await self._pool.fetchval(DELETE, user_id) is not None


def _user(row: asyncpg.Record | None) -> dict[str, Any] | None:
    return None if row is None else dict(row)
