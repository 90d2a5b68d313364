"""People as JSON: in this process (cachetools), and in Redis, which both replicas share.

Redis is also where an apelido is claimed: MSETNX stores the claim and the person together or, if the
apelido is taken, neither, and it does so for both replicas at once.
"""

from uuid import UUID

from cachetools import FIFOCache
from redis.asyncio import BlockingConnectionPool, Redis

import settings

# Entries in this process. Nearly all lookups follow their creation within milliseconds.
LOCAL_ENTRIES = 10_000

_people: FIFOCache[UUID, bytes] = FIFOCache(LOCAL_ENTRIES)
_taken: FIFOCache[str, bool] = FIFOCache(LOCAL_ENTRIES)
_redis = Redis(
    # Waits for a connection, as long as the clients do, instead of opening one for each request under way.
    connection_pool=BlockingConnectionPool.from_url(
        settings.REDIS_URL, max_connections=settings.REDIS_CONNECTIONS, timeout=60
    )
)


def _person_key(person_id: UUID) -> str:
    return f"pessoa:{person_id}"


def _apelido_key(apelido: str) -> str:
    return f"apelido:{apelido}"


def is_known_as_taken(apelido: str) -> bool:
    """Whether this process has seen the apelido. That it has not means nothing."""
    return apelido in _taken


async def claim(apelido: str, person_id: UUID, person: bytes) -> bool:
    """False if the apelido is taken."""
    claimed = await _redis.msetnx({_apelido_key(apelido): str(person_id), _person_key(person_id): person})
    _taken[apelido] = True
    if claimed:
        _people[person_id] = person
    return bool(claimed)


async def get(person_id: UUID) -> bytes | None:
    person = _people.get(person_id)
    if person is None:
        person = await _redis.get(_person_key(person_id))
        if person is not None:
            _people[person_id] = person
    return person


async def put(apelido: str, person_id: UUID, person: bytes) -> None:
    """A person that is in Postgres."""
    _taken[apelido] = True
    _people[person_id] = person
    await _redis.mset({_apelido_key(apelido): str(person_id), _person_key(person_id): person})


def refused(apelido: str) -> None:
    """Postgres says that the apelido is taken."""
    _taken[apelido] = True


async def close() -> None:
    await _redis.aclose()
