"""Flask with threads, and psycopg's pool: 01 to 08, and what is more as blueprints of their own files."""

import time
from typing import Any

from flask import Blueprint, Flask, Response, request
from werkzeug.exceptions import HTTPException

import inputs
import settings
import statements
from flask_auth import auth
from flask_cache import cache
from flask_store import row, rows
from rendering import Provider

app = Flask(__name__, static_folder=None)
app.json = Provider(app)
app.config["MAX_CONTENT_LENGTH"] = settings.BODY_BYTES
app.register_blueprint(cache)
app.register_blueprint(auth)


@app.errorhandler(HTTPException)
def refused(error: HTTPException) -> tuple[dict[str, Any], int, dict[str, str]]:
    return inputs.refusal(error)


@app.get("/health")
def health() -> dict[str, str]:
    return {"status": "ok", "server": "flask"}


@app.post("/echo")
def echo() -> dict[str, Any]:
    return inputs.echo(request.get_json())


@app.get("/users")
def users() -> list[dict[str, Any]]:
    return rows(statements.ALL)


@app.post("/users")
def create() -> tuple[dict[str, Any], int]:
    return row(statements.CREATE, *inputs.user(request.get_json())), 201


# What Postgres takes.
@app.get(f"/users/<int(max={2**63 - 1}):user_id>")
def by_id(user_id: int) -> dict[str, Any]:
    return row(statements.ONE, user_id)


@app.put(f"/users/<int(max={2**63 - 1}):user_id>")
def change(user_id: int) -> dict[str, Any]:
    return row(statements.CHANGE, user_id, *inputs.user(request.get_json()))


@app.delete(f"/users/<int(max={2**63 - 1}):user_id>")
def delete(user_id: int) -> Response:
    row(statements.DELETE, user_id)
    return Response(status=204)


@app.get("/external")
def external() -> dict[str, Any]:
    started = time.perf_counter()
    time.sleep(settings.EXTERNAL_SECONDS)
    latency_ms = round((time.perf_counter() - started) * 1000, 3)
    return {"source": "external", "latency_ms": latency_ms, "data": {"status": "ok"}}


@app.post("/upload")
def upload() -> dict[str, Any]:
    file = inputs.file(request.files.get("file"))
    return {"filename": file.filename, "size": len(file.read()), "content_type": file.content_type}


guarded = Blueprint("guarded", __name__)


@guarded.before_request
def authenticate() -> None:
    inputs.token(request.headers.get("authorization", ""))


@guarded.after_request
def identify(response: Response) -> Response:
    if request_id := request.headers.get("x-request-id"):
        response.headers["x-request-id"] = request_id
    return response


@guarded.get("/protected")
def protected() -> dict[str, str]:
    return {"message": "Access granted", "user": "bearer"}


app.register_blueprint(guarded)
