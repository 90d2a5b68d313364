"""13 in Quart: a user from Postgres, from Redis and from the process."""

import logging
from typing import Any

from quart import Blueprint, request
from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import RedisError

import inputs
import kept
import settings
import statements
from kept import User, sourced
from quart_store import row, rows

log = logging.getLogger("uvicorn.error")

cache = Blueprint("cache", __name__, url_prefix="/cache")

redis = None
if settings.REDIS_URL:
    redis = Redis.from_pool(BlockingConnectionPool.from_url(settings.REDIS_URL, **kept.REDIS))
in_process = kept.InProcess()


async def put_in_redis(users: list[User]) -> None:
    """Without Redis there is Postgres."""
    try:
        async with redis.pipeline(transaction=False) as together:
            for user in users:
                together.set(kept.key(user["id"]), kept.text(user), ex=kept.KEPT_SECONDS)
            await together.execute()
    except RedisError as error:
        log.warning("Redis is away: %s", error)


@cache.post("/warmup")
async def warm_up() -> dict[str, int]:
    users = await rows(statements.FIRST, inputs.count(request.args.get("count"), kept.MOST_USERS))
    in_process.put(users)
    if redis is not None:
        await put_in_redis(users)
    return {"count": len(users)}


# What Postgres takes.
@cache.get(f"/users/<int(max={2**63 - 1}):user_id>/no-cache")
async def not_cached(user_id: int) -> dict[str, Any]:
    return sourced(await row(statements.ONE, user_id), False)


@cache.get(f"/users/<int(max={2**63 - 1}):user_id>/process")
async def of_process(user_id: int) -> dict[str, Any]:
    user = in_process.get(user_id)
    if user is not None:
        return sourced(user, True)
    user = await row(statements.ONE, user_id)
    in_process.put([user])
    return sourced(user, False)


@cache.get(f"/users/<int(max={2**63 - 1}):user_id>/<any(redis, cached):_name>")
async def of_redis(user_id: int, _name: str) -> dict[str, Any]:
    if redis is None:
        raise kept.no_redis()
    try:
        text = await redis.get(kept.key(user_id))
    except RedisError as error:
        log.warning("Redis is away: %s", error)
        return sourced(await row(statements.ONE, user_id), False)
    if text is not None:
        return sourced(kept.user(text), True)
    user = await row(statements.ONE, user_id)
    await put_in_redis([user])
    return sourced(user, False)
