"""The people API.

before-commit: a creation claims its apelido in Redis, waits for nothing else, and a background task writes
it to Postgres.
after-commit: it is inserted into Postgres, and Redis is a cache.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated
from uuid import UUID, uuid4

import orjson
from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError, TimeoutError as PoolTimeout

import cache
import database
import settings
from schemas import PessoaNova, status_of
from writer import Writer


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.writer = Writer()
    yield
    # uvicorn has answered what had begun; what those answers promised is written before the end.
    await app.state.writer.stop()
    await cache.close()
    await database.engine.dispose()


app = FastAPI(lifespan=lifespan, openapi_url=None)


@app.exception_handler(RequestValidationError)
async def invalid(request: Request, error: RequestValidationError) -> Response:
    return JSONResponse({"error": "invalid request"}, status_of(error))


async def unavailable(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": "the storage does not answer"}, 503)


for storage_error in (DBAPIError, PoolTimeout, RedisError, OSError):
    app.add_exception_handler(storage_error, unavailable)


def rendered(value: database.Row | list[database.Row]) -> bytes:
    # asyncpg's ids are a subclass of UUID, and orjson knows only the class itself.
    return orjson.dumps(value, default=str)


def as_json(body: bytes) -> Response:
    return Response(body, media_type="application/json")


def taken() -> Response:
    return JSONResponse({"error": "this apelido is taken"}, 422)


def no_person() -> Response:
    return JSONResponse({"error": "there is no such person"}, 404)


@app.post("/pessoas")
async def create(nova: PessoaNova) -> Response:
    if cache.is_known_as_taken(nova.apelido):
        return taken()
    person_id = uuid4()
    person = {"id": person_id, **nova.model_dump()}
    store = store_later if settings.ACKNOWLEDGE == settings.BEFORE_COMMIT else store_now
    if not await store(person_id, person):
        return taken()
    return Response(status_code=201, headers={"Location": f"/pessoas/{person_id}"})


async def store_later(person_id: UUID, person: database.Row) -> bool:
    if not await cache.claim(person["apelido"], person_id, rendered(person)):
        return False
    await app.state.writer.put(database.with_search_text(person))
    return True


async def store_now(person_id: UUID, person: database.Row) -> bool:
    if not await database.insert_one(database.with_search_text(person)):
        cache.refused(person["apelido"])
        return False
    await cache.put(person["apelido"], person_id, rendered(person))
    return True


@app.get("/pessoas/{person_id}")
async def by_id(person_id: str) -> Response:
    try:
        key = UUID(person_id)
    except ValueError:
        return no_person()
    # `UUID` reads other forms as well; those are no address of a person.
    if len(person_id) != 36:
        return no_person()
    body = await cache.get(key)
    if body is None:
        person = await database.by_id(key)
        if person is None:
            return no_person()
        body = rendered(person)
        await cache.put(person["apelido"], key, body)
    return as_json(body)


@app.get("/pessoas")
async def search(t: Annotated[str, Query()]) -> Response:
    # Postgres holds no NUL, so nobody has one; and it takes none in a parameter.
    people = [] if "\0" in t else await database.search(t)
    return as_json(rendered(people))


@app.get("/contagem-pessoas")
async def count() -> PlainTextResponse:
    return PlainTextResponse(str(await database.count()))
