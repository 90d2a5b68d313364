"""13: a user from Postgres, from Redis and from the process, by Django's caches; for threads. A change is
seen in what is kept when its five minutes are over."""

from typing import Any

from django.core.cache import BaseCache, caches
from rest_framework.exceptions import NotFound

from .chosen import store


def warm_up(count: int) -> dict[str, int]:
    users = {_key(user["id"]): user for user in store.first(count)}
    for name in caches:
        caches[name].set_many(users)
    return {"count": len(users)}


def user(user_id: int, place: str) -> dict[str, Any]:
    """With its source: `place` is what the route has."""
    cache = _cache(place)
    if cache is None:
        return _sourced(store.user(user_id), False)
    kept = cache.get(_key(user_id))
    if kept is not None:
        return _sourced(kept, True)
    found = store.user(user_id)
    if found is not None:
        cache.set(_key(user_id), found)
    return _sourced(found, False)


def _cache(place: str) -> BaseCache | None:
    """Its cache, or nothing where there is none to ask."""
    if place == "no-cache":
        return None
    if place == "process":
        return caches["default"]
    if place in ("redis", "cached") and "redis" in caches.settings:
        return caches["redis"]
    raise NotFound("there is no such cache")


def _key(user_id: int) -> str:
    return f"user:{user_id}"


def _sourced(user: dict[str, Any] | None, was_kept: bool) -> dict[str, Any]:
    if user is None:
        raise NotFound("no such user")
    return {"source": "cache" if was_kept else "database", "user": user}
