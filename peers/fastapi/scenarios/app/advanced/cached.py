"""13 and 14: a user from Postgres, from Redis and from the process; hits, and misses that fill."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal

from fastapi import APIRouter, FastAPI, HTTPException, Query, Response
from pydantic import BaseModel
from sqlalchemy import select

import caches
import models
import settings
from common import UserId, store
from store_sqlalchemy import User


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    yield
    await caches.close()


router = APIRouter(prefix="/cache", lifespan=lifespan)

# A change that one process takes would leave the others' caches as they are.
if settings.WORKERS == 1:
    caches.caches["process"] = caches.Cache(caches.InProcess())
    if settings.REDIS_URL:
        caches.caches["redis"] = caches.Cache(caches.InRedis(settings.REDIS_URL))


class Source(BaseModel):
    source: Literal["database", "cache"]
    user: models.User


class Warmed(BaseModel):
    count: int


async def read(user_id: int) -> models.User | None:
    user = await store.user(user_id)
    return None if user is None else models.User.model_validate(user)


def sourced(user: Any | None, was_kept: bool) -> dict[str, Any]:
    if user is None:
        raise HTTPException(404, "no such user")
    return {"source": "cache" if was_kept else "database", "user": user}


@router.post("/warmup", response_model=Warmed)
async def warm_up(count: Annotated[int, Query(ge=1, le=caches.MOST_USERS)] = 1000) -> Any:
    async def first() -> list[models.User]:
        async with store.session() as session:
            users = await session.scalars(select(User).where(User.id <= count).order_by(User.id))
            return [models.User.model_validate(user) for user in users]

    return {"count": await caches.warm_up(first)}


@router.get("/users/{user_id}/no-cache", response_model=Source)
async def not_cached(user_id: UserId) -> Any:
    return sourced(await store.user(user_id), False)


@router.get("/users/{user_id}/{name}", response_model=Source)
async def cached(user_id: UserId, name: Literal["redis", "cached", "process"]) -> Any:
    cache = caches.caches.get("redis" if name == "cached" else name)
    if cache is None:
        raise HTTPException(404, "there is no such cache")
    return sourced(*await cache.get(user_id, read))


@router.delete("/users/{user_id}", status_code=204)
async def forget(user_id: UserId) -> Response:
    await caches.remove(user_id)
    return Response(status_code=204)
