"""13 in Flask: a user from Postgres, from Redis and from the process."""

import logging
from typing import Any

from flask import Blueprint, request
from redis import BlockingConnectionPool, Redis
from redis.exceptions import RedisError

import inputs
import kept
import settings
import statements
from flask_store import row, rows
from kept import User, sourced

log = logging.getLogger("gunicorn.error")

cache = Blueprint("cache", __name__, url_prefix="/cache")

redis = None
if settings.REDIS_URL:
    redis = Redis.from_pool(BlockingConnectionPool.from_url(settings.REDIS_URL, **kept.REDIS))
in_process = kept.InProcess()


def put_in_redis(users: list[User]) -> None:
    """Without Redis there is Postgres."""
    try:
        with redis.pipeline(transaction=False) as together:
            for user in users:
                together.set(kept.key(user["id"]), kept.text(user), ex=kept.KEPT_SECONDS)
            together.execute()
    except RedisError as error:
        log.warning("Redis is away: %s", error)


@cache.post("/warmup")
def warm_up() -> dict[str, int]:
    users = rows(statements.FIRST, inputs.count(request.args.get("count"), kept.MOST_USERS))
    in_process.put(users)
    if redis is not None:
        put_in_redis(users)
    return {"count": len(users)}


# What Postgres takes.
@cache.get(f"/users/<int(max={2**63 - 1}):user_id>/no-cache")
def not_cached(user_id: int) -> dict[str, Any]:
    return sourced(row(statements.ONE, user_id), False)


@cache.get(f"/users/<int(max={2**63 - 1}):user_id>/process")
def of_process(user_id: int) -> dict[str, Any]:
    user = in_process.get(user_id)
    if user is not None:
        return sourced(user, True)
    user = row(statements.ONE, user_id)
    in_process.put([user])
    return sourced(user, False)


@cache.get(f"/users/<int(max={2**63 - 1}):user_id>/<any(redis, cached):_name>")
def of_redis(user_id: int, _name: str) -> dict[str, Any]:
    if redis is None:
        raise kept.no_redis()
    try:
        text = redis.get(kept.key(user_id))
    except RedisError as error:
        log.warning("Redis is away: %s", error)
        return sourced(row(statements.ONE, user_id), False)
    if text is not None:
        return sourced(kept.user(text), True)
    user = row(statements.ONE, user_id)
    put_in_redis([user])
    return sourced(user, False)
