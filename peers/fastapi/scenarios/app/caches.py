"""Users in caches, for scenarios 13 and 14: one in the process, one in Redis. `caches` is empty until the
application has scenarios that need them.

Race window: a read that began before a change may end after it, and would put back what was. A user's reads
that fill and the user's removal therefore take turns (`_turns`), and a warm-up and all removals do
(`_warming`). A change is committed before it removes, so what is there when it is answered is not older. This
holds within one process: with several of them there are no caches."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Protocol
from weakref import WeakValueDictionary

from cachetools import TTLCache
from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import RedisError

from models import User

KEPT_SECONDS = 300
# Of a user not 2 KB: 20 MB at most.
MOST_USERS = 10_000
# More than the 100 ms for which a CPU quota may hold either side.
REDIS_SECONDS = 1.0
# Who finds all of them taken waits for one, as long as the clients do.
REDIS_CONNECTIONS = 32
POOL_SECONDS = 60
# Users in one round trip.
REDIS_BATCH = 1000

# Of a user in Postgres.
type Read = Callable[[int], Awaitable[User | None]]

log = logging.getLogger("uvicorn.error")


class Place(Protocol):
    """Where users are kept. What it has lost it does not find."""

    async def get(self, user_id: int) -> User | None: ...

    async def put(self, users: Iterable[User]) -> None: ...

    async def remove(self, user_id: int) -> None: ...

    async def close(self) -> None: ...


class InProcess:
    def __init__(self) -> None:
        self._users: TTLCache[int, User] = TTLCache(MOST_USERS, KEPT_SECONDS)

    async def get(self, user_id: int) -> User | None:
        return self._users.get(user_id)

    async def put(self, users: Iterable[User]) -> None:
        for user in users:
            self._users[user.id] = user

    async def remove(self, user_id: int) -> None:
        self._users.pop(user_id, None)

    async def close(self) -> None:
        self._users.clear()


class InRedis:
    """The database of this URL is this process's alone. What another process left there goes, and so does all
    of it once something could not be removed: nobody knows what is old then."""

    def __init__(self, url: str) -> None:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=REDIS_CONNECTIONS,
            timeout=POOL_SECONDS,
            socket_timeout=REDIS_SECONDS,
            socket_connect_timeout=REDIS_SECONDS,
        )
        self._redis = Redis.from_pool(pool)
        # How often there was a reason to empty it, and for how many of them it is empty.
        self._doubts = 1
        self._settled = 0

    async def get(self, user_id: int) -> User | None:
        try:
            await self._settle()
            text = await self._redis.get(_key(user_id))
        except (RedisError, OSError) as error:
            self._doubt(error)
            return None
        return None if text is None else User.model_validate_json(text)

    async def put(self, users: Iterable[User]) -> None:
        kept = list(users)
        try:
            await self._settle()
            for start in range(0, len(kept), REDIS_BATCH):
                async with self._redis.pipeline(transaction=False) as together:
                    for user in kept[start : start + REDIS_BATCH]:
                        together.set(_key(user.id), user.model_dump_json(), ex=KEPT_SECONDS)
                    await together.execute()
        except (RedisError, OSError) as error:
            self._doubt(error)

    async def remove(self, user_id: int) -> None:
        try:
            await self._settle()
            await self._redis.delete(_key(user_id))
        except (RedisError, OSError) as error:
            self._doubt(error)

    async def close(self) -> None:
        await self._redis.aclose()

    async def _settle(self) -> None:
        if self._settled < self._doubts:
            doubts = self._doubts
            await self._redis.flushdb()
            self._settled = max(self._settled, doubts)

    def _doubt(self, error: Exception) -> None:
        if self._settled == self._doubts:
            log.warning("Redis is away: %s", error)
        self._doubts += 1


def _key(user_id: int) -> str:
    return f"user:{user_id}"


class Cache:
    def __init__(self, place: Place) -> None:
        self._place = place
        self._turns: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
        self._warming = asyncio.Lock()

    async def get(self, user_id: int, read: Read) -> tuple[User | None, bool]:
        """The user, and whether it was here. However many ask for one that is not, it is read once."""
        user = await self._place.get(user_id)
        if user is not None:
            return user, True
        async with self._turn(user_id):
            user = await self._place.get(user_id)
            if user is not None:
                return user, True
            user = await read(user_id)
            if user is not None:
                await self._place.put([user])
            return user, False

    async def remove(self, user_id: int) -> None:
        async with self._warming:
            pass
        async with self._turn(user_id):
            await self._place.remove(user_id)

    @asynccontextmanager
    async def warming(self) -> AsyncIterator[Callable[[Iterable[User]], Awaitable[None]]]:
        """What is to be put is read within."""
        async with self._warming:
            yield self._place.put

    async def close(self) -> None:
        await self._place.close()

    def _turn(self, user_id: int) -> asyncio.Lock:
        """Of this user, for as long as anybody has it."""
        return self._turns.setdefault(user_id, asyncio.Lock())


# By the name that the routes have.
caches: dict[str, Cache] = {}


async def remove(user_id: int) -> None:
    for cache in caches.values():
        await cache.remove(user_id)


async def warm_up(read: Callable[[], Awaitable[list[User]]]) -> int:
    """Puts what is read into every cache; how many they are."""
    async with AsyncExitStack() as stack:
        puts = [await stack.enter_async_context(cache.warming()) for cache in caches.values()]
        users = await read()
        for put in puts:
            await put(users)
        return len(users)


async def close() -> None:
    for cache in caches.values():
        await cache.close()
