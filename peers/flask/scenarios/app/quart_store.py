"""Postgres by asyncpg's pool, which is the application's."""

import asyncio
from typing import Any

import asyncpg
from quart import current_app

import inputs
import settings

RETRY_SECONDS = 0.5


async def as_it_is(connection: asyncpg.Connection) -> None:
    """Instead of asyncpg's own reset, a round trip: no statement here changes its session."""


async def opened() -> asyncpg.Pool:
    """Waits for Postgres."""
    while True:
        try:
            return await asyncpg.create_pool(
                host=settings.DATABASE_HOST,
                user="pouco",
                database="pouco",
                min_size=settings.CONNECTIONS,
                max_size=settings.CONNECTIONS,
                command_timeout=settings.STATEMENT_SECONDS,
                reset=as_it_is,
            )
        # No socket yet, or a server that is still starting or recovering.
        except (OSError, asyncpg.PostgresError) as error:
            current_app.logger.warning("Postgres is not ready: %s", error)
            await asyncio.sleep(RETRY_SECONDS)


async def rows(statement: str, *values: Any) -> list[dict[str, Any]]:
    return [dict(record) for record in await current_app.pool.fetch(statement, *values)]


async def first(statement: str, *values: Any) -> dict[str, Any] | None:
    record = await current_app.pool.fetchrow(statement, *values)
    return None if record is None else dict(record)


async def row(statement: str, *values: Any) -> dict[str, Any]:
    try:
        return inputs.found(await first(statement, *values))
    except asyncpg.UniqueViolationError:
        raise inputs.taken() from None
