"""What every application here has: the store, the server's start and end, and the two dependencies that
`/protected` has."""

import asyncio
import importlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import FastAPI, Header, HTTPException, Path, Response

import settings
from limit import Limit

EXTERNAL_SECONDS = 0.1
TOKEN_CHARACTERS = 10
# Of a request: a file of 10 MiB, and its form around it.
BODY_BYTES = 10 * 2**20 + 2**16

# The one that was chosen, and nothing of the other.
store = importlib.import_module(f"store_{settings.STORE}").Store()

# What Postgres takes.
UserId = Annotated[int, Path(ge=0, le=2**63 - 1)]


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    await store.open()
    yield
    await store.close()


def application() -> FastAPI:
    app = FastAPI(lifespan=_lifespan, openapi_url=None, redirect_slashes=False, max_body_size=BODY_BYTES)
    if settings.MOST_REQUESTS:
        app.add_middleware(Limit, most=settings.MOST_REQUESTS)
    return app


async def asked_elsewhere() -> float:
    """How long the other service took, in milliseconds."""
    started = time.perf_counter()
    await asyncio.sleep(EXTERNAL_SECONDS)
    return round((time.perf_counter() - started) * 1000, 3)


async def token(authorization: Annotated[str, Header()] = "") -> str:
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() != "bearer" or len(value) < TOKEN_CHARACTERS:
        raise HTTPException(401, "a token is needed", {"www-authenticate": "Bearer"})
    return value


async def request_id(response: Response, x_request_id: Annotated[str, Header()] = "") -> str:
    if x_request_id:
        response.headers["x-request-id"] = x_request_id
    return x_request_id
