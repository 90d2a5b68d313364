"""What `GET /metrics` tells where METRICS is on: requests, statements, and the process itself.

Imported only then. Labels are words of this program: no client can add a series.
"""

import gc
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import event
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from database import engine

disable_created_metrics()

_REQUEST = ["method", "endpoint"]
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_REQUESTS = Counter("app_request_count", "Requests that were answered.", [*_REQUEST, "http_status"])
_LATENCY = Histogram("app_request_latency_seconds", "Until the whole answer.", _REQUEST, buckets=_BUCKETS)
_UNDER_WAY = Gauge("app_concurrent_requests", "Requests under way.")
_TAKEN = Counter("app_request_bytes", "Bytes of requests' bodies.")
_GIVEN = Counter("app_response_bytes", "Bytes of answers' bodies.")
_STATEMENTS = Histogram(
    "app_db_query_duration_seconds",
    "Of a statement in Postgres, by its verb.",
    ["operation"],
    buckets=_BUCKETS,
)
_CONNECTIONS = Gauge("app_db_connections", "Connections to Postgres.", ["state"])
_BEGAN = time.monotonic()

_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_VERBS = {"select", "insert", "update", "delete"}
_BY_ID = {"/api/v1/products", "/api/v1/orders"}
_ENDPOINTS = _BY_ID | {
    "/",
    "/healthz",
    "/api/v1/auth/register",
    "/api/v1/auth/login",
    "/api/v1/inventory",
    "/api/v1/inventory/add",
    "/api/v1/inventory/remove",
}
_OTHER = "other"


def endpoint_of(path: str) -> str:
    """A path with its id as a name, and without the slash at its end."""
    path = path.rstrip("/") or "/"
    above, _, last = path.rpartition("/")
    if above in _BY_ID and last:
        return above + "/{id}"
    return path if path in _ENDPOINTS else _OTHER


def operation_of(statement: str) -> str:
    verb = statement.lstrip()[:6].lower()
    return verb if verb in _VERBS else _OTHER


@event.listens_for(engine.sync_engine, "before_cursor_execute")
def _begin(_connection: Any, _cursor: Any, _statement: str, _values: Any, context: Any, _many: bool) -> None:
    context.began = time.perf_counter()


@event.listens_for(engine.sync_engine, "after_cursor_execute")
def _end(_connection: Any, _cursor: Any, statement: str, _values: Any, context: Any, _many: bool) -> None:
    _STATEMENTS.labels(operation_of(statement)).observe(time.perf_counter() - context.began)


class _Collections(Collector):
    """Seconds that the garbage collector took. It may run while a metric is locked, so it touches none."""

    def __init__(self) -> None:
        self._seconds: dict[int, float] = defaultdict(float)
        self._began = 0.0
        gc.callbacks.append(self._heard)

    def _heard(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._began = time.perf_counter()
        else:
            self._seconds[info["generation"]] += time.perf_counter() - self._began

    def collect(self) -> Iterator[Metric]:
        help_text = "Time of the garbage collector."
        family = CounterMetricFamily("app_gc_seconds", help_text, labels=["generation"])
        for generation, seconds in sorted(self._seconds.items()):
            family.add_metric([str(generation)], seconds)
        yield family


def _look() -> None:
    """Gauges that are read as they are asked for."""
    pool = engine.pool
    uptime = Gauge("app_uptime_seconds", "Since the start of the process.")
    uptime.set_function(lambda: time.monotonic() - _BEGAN)
    threads = Gauge("app_threads", "Threads of Python's.")
    threads.set_function(threading.active_count)
    new = "What each generation has got since its last collection: objects, or collections of the one before."
    objects = Gauge("app_gc_objects", new, ["generation"])
    for generation in range(len(gc.get_count())):
        objects.labels(str(generation)).set_function(lambda at=generation: gc.get_count()[at])
    _CONNECTIONS.labels("used").set_function(lambda: pool.checkedout())
    _CONNECTIONS.labels("idle").set_function(lambda: pool.checkedin())


REGISTRY.register(_Collections())
_look()


async def _tell(send: Send) -> None:
    text = generate_latest()
    headers = [
        (b"content-type", CONTENT_TYPE_LATEST.encode()),
        (b"content-length", str(len(text)).encode()),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": text})


def _length_of(scope: Scope) -> int:
    lengths = [value for name, value in scope["headers"] if name == b"content-length"]
    return int(lengths[0]) if lengths and lengths[0].isdigit() else 0


def measured(app: ASGIApp) -> ASGIApp:
    """All that `app` answers is counted and timed; `/metrics` is answered here, and is not."""

    async def timed(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await app(scope, receive, send)
        if scope["path"].rstrip("/") == "/metrics" and scope["method"] in ("GET", "HEAD"):
            return await _tell(send)
        endpoint = endpoint_of(scope["path"])
        method = scope["method"] if scope["method"] in _METHODS else _OTHER
        status = 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                _GIVEN.inc(len(message.get("body", b"")))
            await send(message)

        began = time.perf_counter()
        _UNDER_WAY.inc()
        try:
            await app(scope, receive, noted)
        finally:
            _UNDER_WAY.dec()
            _TAKEN.inc(_length_of(scope))
            _LATENCY.labels(method, endpoint).observe(time.perf_counter() - began)
            _REQUESTS.labels(method, endpoint, str(status)).inc()

    return timed
