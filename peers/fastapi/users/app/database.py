"""The statements, and the pool that runs them. asyncpg prepares each once a connection."""

import asyncio
import logging

import asyncpg

import settings

_COLUMNS = "id, email, full_name, age, country_code, is_active, created_at"
BY_ID = f"SELECT {_COLUMNS} FROM users WHERE id = $1"
PAGE = f"SELECT {_COLUMNS} FROM users ORDER BY id LIMIT $1 OFFSET $2"
TOTAL = "SELECT count(*) FROM users"

# What a request, a connection or a statement may take.
MOST_SECONDS = 30
RETRY_SECONDS = 0.5

log = logging.getLogger("uvicorn.error")


async def _as_it_is(connection: asyncpg.Connection) -> None:
    """Instead of asyncpg's own reset, which is a round trip after each request: no statement here changes
    its session."""


async def open_pool() -> asyncpg.Pool:
    """Waits for Postgres."""
    while True:
        try:
            return await asyncpg.create_pool(
                host=settings.DATABASE_HOST,
                user="pouco",
                database="pouco",
                min_size=settings.POOL_LEAST,
                max_size=settings.POOL_MOST,
                command_timeout=MOST_SECONDS,
                reset=_as_it_is,
            )
        # No socket yet, or a server that is still starting or recovering.
        except (OSError, asyncpg.PostgresError) as error:
            log.warning("Postgres is not ready: %s", error)
            await asyncio.sleep(RETRY_SECONDS)
