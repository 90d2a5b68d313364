"""Writes people to Postgres in the background, in batches.

Race window: a person waits here, acknowledged, for up to GATHER_SECONDS and a commit. A SIGTERM writes
what waits; a process that is killed loses it, and Redis goes on saying that the apelido is taken. That is
the price of answering before the commit.
"""

import asyncio
import logging

from sqlalchemy.exc import DBAPIError, TimeoutError as PoolTimeout

import database

BATCH = 100
# How long a batch that is not full waits for more.
GATHER_SECONDS = 1.0
RETRY_SECONDS = 0.5
# People that may wait. When Postgres is away for long, creations wait for room.
MOST_WAITING = 50_000

log = logging.getLogger("uvicorn.error")


class Writer:
    def __init__(self) -> None:
        self._queue: asyncio.Queue[database.Row] = asyncio.Queue(MOST_WAITING)
        self._task = asyncio.create_task(self._run())

    async def put(self, row: database.Row) -> None:
        await self._queue.put(row)

    async def stop(self) -> None:
        """Takes no more, and returns when all that waited is written."""
        self._queue.shutdown()
        await self._task

    async def _run(self) -> None:
        while batch := await self._next():
            await self._write(batch)

    async def _next(self) -> list[database.Row]:
        """Empty only after the end."""
        batch: list[database.Row] = []
        try:
            batch.append(await self._queue.get())
            async with asyncio.timeout(GATHER_SECONDS):
                while len(batch) < BATCH:
                    batch.append(await self._queue.get())
        except (TimeoutError, asyncio.QueueShutDown):
            pass
        return batch

    async def _write(self, batch: list[database.Row]) -> None:
        while True:
            try:
                return await database.insert_batch(batch)
            # A commit whose answer was lost is repeated, too: what is there already is left out.
            except (DBAPIError, PoolTimeout, OSError) as error:
                log.error("a batch of %d waits for Postgres: %s", len(batch), error)
                await asyncio.sleep(RETRY_SECONDS)
