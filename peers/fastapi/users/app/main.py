"""The users API: lookups by id and pages, each straight from Postgres."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

import database
from models import LIMIT_USUAL, Health, Limit, Offset, Page, User


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.pool = await database.open_pool()
    yield
    await app.state.pool.close()


app = FastAPI(lifespan=lifespan, openapi_url=None, redirect_slashes=False)


@app.exception_handler(RequestValidationError)
async def invalid(request: Request, error: RequestValidationError) -> Response:
    first = error.errors()[0]
    return JSONResponse({"error": f"{first['loc'][-1]}: {first['msg']}"}, 400)


@app.exception_handler(StarletteHTTPException)
async def refused(request: Request, error: StarletteHTTPException) -> Response:
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


async def unavailable(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": "unavailable"}, 503)


# OSError: Postgres is away; a TimeoutError is one, too.
for database_error in (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
    app.add_exception_handler(database_error, unavailable)


# With a response model Pydantic renders the JSON, in Rust. FastAPI's documentation prefers that to a faster
# JSON library.
@app.get("/healthz", response_model=Health)
async def healthz() -> Any:
    return {"status": "ok"}


@app.get("/users/{user_id}", response_model=User)
async def by_id(user_id: UUID, request: Request) -> Any:
    row = await request.app.state.pool.fetchrow(database.BY_ID, user_id)
    if row is None:
        raise HTTPException(404, "not_found")
    return dict(row)


@app.get("/users", response_model=Page)
async def page(request: Request, limit: Limit = LIMIT_USUAL, offset: Offset = 0) -> Any:
    async with request.app.state.pool.acquire(timeout=database.MOST_SECONDS) as connection:
        rows = await connection.fetch(database.PAGE, limit, offset)
        total = await connection.fetchval(database.TOTAL)
    return {"items": [dict(row) for row in rows], "limit": limit, "offset": offset, "total": total}
