"""The edge application in Flask, with its answers cached in Redis."""

import logging
import os
from collections.abc import Callable
from datetime import UTC, datetime

from flask import Flask, Response, request
from prometheus_client import CONTENT_TYPE_LATEST, Gauge, generate_latest
from redis import Redis, RedisError

TIME_TO_LIVE_SECONDS = 60
# Redis answers within a millisecond; this is for one that does not answer at all.
REDIS_MOST_SECONDS = 1

app = Flask(__name__)
log = logging.getLogger("edge")
redis = Redis.from_url(
    os.environ.get("REDIS_URL", "unix:///run/redis-socket/redis.sock"),
    socket_timeout=REDIS_MOST_SECONDS,
    socket_connect_timeout=REDIS_MOST_SECONDS,
)

# To count with: the library would add "_total" to a Counter's name, and the name is the contest's.
REQUESTS = Gauge("http_total_requests", "Requests by path and method.", ["path", "method"])

INDEX = """<!doctype html>
<title>Edge cache with Flask and Redis</title>
<h1>Edge cache with Flask and Redis</h1>
<ul>
<li><a href="/static-text">a fixed text</a>
<li><a href="/time">the server's time</a>
<li><a href="/metrics">metrics</a>
</ul>
"""


@app.before_request
def count() -> None:
    # By the route and not by what was asked for, of which there is no end.
    if request.url_rule is not None:
        REQUESTS.labels(request.url_rule.rule, request.method).inc()


def cached(key: str, compute: Callable[[], str]) -> Response:
    """What Redis has; or else what `compute` makes, also where Redis is away."""
    try:
        body = redis.get(key)
        status = "MISS" if body is None else "HIT"
        if body is None:
            body = compute()
            redis.set(key, body, ex=TIME_TO_LIVE_SECONDS)
    except RedisError as error:
        log.warning("Redis does not answer: %s", error)
        body, status = compute(), "MISS"
    return Response(body, mimetype="text/plain", headers={"X-Cache-Status": status})


@app.get("/")
def index() -> str:
    return INDEX


@app.get("/static-text")
def static_text() -> Response:
    return cached("static-text", lambda: "A static text\n")


@app.get("/time")
def time() -> Response:
    return cached("time", lambda: f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}\n")


@app.get("/metrics")
def metrics() -> Response:
    return Response(generate_latest(), content_type=CONTENT_TYPE_LATEST)
