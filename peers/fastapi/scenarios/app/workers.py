"""Uvicorn under gunicorn, as it is without: what gunicorn's own settings do not say."""

from uvicorn_worker import UvicornWorker


class Worker(UvicornWorker):
    CONFIG_KWARGS = {
        "loop": "uvloop",
        "http": "httptools",
        "ws": "none",
        "access_log": False,
        "server_header": False,
        "timeout_graceful_shutdown": 10,
    }
