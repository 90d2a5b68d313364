"""Run before the server: waits for Postgres and makes the tables. Replicas do so one after the other."""

import asyncio
import sys

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from database import Base, engine

RETRY_SECONDS = 0.5
# Any number, the same in both replicas.
LOCK = 2026


async def make() -> None:
    async with engine.begin() as connection:
        # Released by the commit. Without it two `IF NOT EXISTS` at once can still collide.
        await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        await connection.run_sync(Base.metadata.create_all)


async def main() -> None:
    while True:
        try:
            await make()
            break
        # No socket yet, or a server that is still starting or recovering.
        except (OSError, DBAPIError) as error:
            print(f"Postgres is not ready: {error}", file=sys.stderr)
            await asyncio.sleep(RETRY_SECONDS)
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(main())
