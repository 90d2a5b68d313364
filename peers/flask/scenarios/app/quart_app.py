"""Quart, which is Flask with coroutines, and asyncpg's pool: 01 to 08, and what is more as blueprints."""

import asyncio
import time
from typing import Any

from quart import Blueprint, Quart, Response, request
from werkzeug.exceptions import HTTPException

import inputs
import settings
import statements
from quart_auth import auth
from quart_cache import cache
from quart_store import opened, row, rows
from rendering import Provider

app = Quart(__name__, static_folder=None)
app.json = Provider(app)
app.config["MAX_CONTENT_LENGTH"] = settings.BODY_BYTES
app.register_blueprint(cache)
app.register_blueprint(auth)


@app.before_serving
async def open_pool() -> None:
    app.pool = await opened()


@app.after_serving
async def close_pool() -> None:
    await app.pool.close()


@app.errorhandler(HTTPException)
async def refused(error: HTTPException) -> tuple[dict[str, Any], int, dict[str, str]]:
    return inputs.refusal(error)


@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "ok", "server": "quart"}


@app.post("/echo")
async def echo() -> dict[str, Any]:
    return inputs.echo(await request.get_json())


@app.get("/users")
async def users() -> list[dict[str, Any]]:
    return await rows(statements.ALL)


@app.post("/users")
async def create() -> tuple[dict[str, Any], int]:
    return await row(statements.CREATE, *inputs.user(await request.get_json())), 201


# What Postgres takes.
@app.get(f"/users/<int(max={2**63 - 1}):user_id>")
async def by_id(user_id: int) -> dict[str, Any]:
    return await row(statements.ONE, user_id)


@app.put(f"/users/<int(max={2**63 - 1}):user_id>")
async def change(user_id: int) -> dict[str, Any]:
    return await row(statements.CHANGE, user_id, *inputs.user(await request.get_json()))


@app.delete(f"/users/<int(max={2**63 - 1}):user_id>")
async def delete(user_id: int) -> Response:
    await row(statements.DELETE, user_id)
    return Response("", status=204)


@app.get("/external")
async def external() -> dict[str, Any]:
    started = time.perf_counter()
    await asyncio.sleep(settings.EXTERNAL_SECONDS)
    latency_ms = round((time.perf_counter() - started) * 1000, 3)
    return {"source": "external", "latency_ms": latency_ms, "data": {"status": "ok"}}


@app.post("/upload")
async def upload() -> dict[str, Any]:
    file = inputs.file((await request.files).get("file"))
    return {"filename": file.filename, "size": len(file.read()), "content_type": file.content_type}


guarded = Blueprint("guarded", __name__)


@guarded.before_request
async def authenticate() -> None:
    inputs.token(request.headers.get("authorization", ""))


@guarded.after_request
async def identify(response: Response) -> Response:
    if request_id := request.headers.get("x-request-id"):
        response.headers["x-request-id"] = request_id
    return response


@guarded.get("/protected")
async def protected() -> dict[str, str]:
    return {"message": "Access granted", "user": "bearer"}


app.register_blueprint(guarded)
