"""What the lab's experiments change in an application that is otherwise as it was chosen; each is off unless
the environment says so, and a contest never does.

JSON=orjson     the list of users is rendered by orjson, as FastAPI's documentation has a response class
WAITS=on        GET /waits tells how long statements waited for a connection of asyncpg's pool
STATEMENTS=on   SQLAlchemy shows each statement in the log, as its `echo` does
ROWS=100        asyncpg's list of users ends after so many
"""

import bisect
import importlib
import logging
import os
import sys
import time
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse

import settings
from common import store

# Of waits, in seconds; one more bucket takes the rest.
BOUNDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Waits:
    """A histogram, and its text as Prometheus reads it."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS) + 1)
        self._sum = 0.0

    def add(self, seconds: float) -> None:
        self._counts[bisect.bisect_left(BOUNDS, seconds)] += 1
        self._sum += seconds

    def text(self) -> str:
        name, count = "database_wait_seconds", 0
        lines = [f"# TYPE {name} histogram"]
        for bound, more in zip([*map(str, BOUNDS), "+Inf"], self._counts, strict=True):
            count += more
            lines.append(f'{name}_bucket{{le="{bound}"}} {count}')
        return "\n".join([*lines, f"{name}_sum {self._sum}", f"{name}_count {count}", ""])


class TimedPool:
    """asyncpg's pool, whose statements first wait for a connection and are then run on it."""

    def __init__(self, pool: Any, waits: Waits) -> None:
        self._pool, self._waits = pool, waits

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    async def _run(self, method: str, arguments: tuple[Any, ...]) -> Any:
        started = time.perf_counter()
        async with self._pool.acquire() as connection:
            self._waits.add(time.perf_counter() - started)
            return await getattr(connection, method)(*arguments)

    async def fetch(self, *arguments: Any) -> Any:
        return await self._run("fetch", arguments)

    async def fetchrow(self, *arguments: Any) -> Any:
        return await self._run("fetchrow", arguments)

    async def fetchval(self, *arguments: Any) -> Any:
        return await self._run("fetchval", arguments)


def changed(app: FastAPI) -> FastAPI:
    if os.environ.get("JSON") == "orjson":
        _with_orjson(app)
    if os.environ.get("WAITS") == "on":
        _with_waits(app)
    if os.environ.get("STATEMENTS") == "on":
        log = logging.getLogger("sqlalchemy.engine")
        log.addHandler(logging.StreamHandler(sys.stdout))
        log.setLevel(logging.INFO)
    if "ROWS" in os.environ:
        statements = importlib.import_module("store_asyncpg")
        statements.ALL += f" ORDER BY id LIMIT {int(os.environ['ROWS'])}"
    return app


def _with_orjson(app: FastAPI) -> None:
    orjson = importlib.import_module("orjson")
    models = importlib.import_module("models")

    class OrjsonResponse(JSONResponse):
        def render(self, content: Any) -> bytes:
            return orjson.dumps(content)

    def is_list(route: Any) -> bool:
        methods = getattr(route, "methods", None) or ()
        return getattr(route, "path", None) == "/users" and "GET" in methods

    app.router.routes[:] = [route for route in app.router.routes if not is_list(route)]

    @app.get("/users", response_model=list[models.User], response_class=OrjsonResponse)
    async def users() -> Any:
        return await store.users()


def _with_waits(app: FastAPI) -> None:
    if settings.STORE != "asyncpg":
        raise SystemExit("WAITS=on is for STORE=asyncpg")
    waits, opened = Waits(), store.open

    async def open_timed() -> None:
        await opened()
        store._pool = TimedPool(store._pool, waits)

    async def shown(_request: Request) -> PlainTextResponse:
        return PlainTextResponse(waits.text())

    store.open = open_timed
    app.add_route("/waits", shown)
