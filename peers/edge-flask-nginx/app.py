"""The edge application in Flask. It caches nothing: nginx, in front of it, does."""

from datetime import UTC, datetime

from flask import Flask, Response, request
from prometheus_client import CONTENT_TYPE_LATEST, Gauge, generate_latest

app = Flask(__name__)

# To count with: the library would add "_total" to a Counter's name, and the name is the contest's.
REQUESTS = Gauge("http_total_requests", "Requests by path and method.", ["path", "method"])

INDEX = """<!doctype html>
<title>Edge cache with Flask and nginx</title>
<h1>Edge cache with Flask and nginx</h1>
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


@app.get("/")
def index() -> str:
    return INDEX


@app.get("/static-text")
def static_text() -> Response:
    return Response("A static text\n", mimetype="text/plain")


@app.get("/time")
def time() -> Response:
    return Response(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}\n", mimetype="text/plain")


@app.get("/metrics")
def metrics() -> Response:
    return Response(generate_latest(), content_type=CONTENT_TYPE_LATEST)
