"""Becomes the server that was chosen: gunicorn for Flask (gunicorn.conf.py), uvicorn for Quart."""

import os

import settings

if os.environ.get("DEBUG") == "on":
    command = ["python", "debug.py"]
elif settings.FRAMEWORK == "flask":
    command = ["gunicorn"]
else:
    host, _, port = settings.LISTEN.rpartition(":")
    command = ["uvicorn", "quart_app:app", "--host", host, "--port", port]
    command += ["--workers", str(settings.WORKERS), "--loop", "uvloop", "--http", "httptools"]
    command += ["--ws", "none", "--backlog", "4096"]
    command += ["--timeout-keep-alive", "75", "--timeout-graceful-shutdown", "10"]
    # A worker that waits for its CPU quota is not dead: more than the 5 s after which uvicorn would replace
    # it.
    command += ["--timeout-worker-healthcheck", "30"]
    command += ["--no-access-log", "--no-server-header", "--log-level", "warning"]
os.environ["JWT_SECRET"] = settings.JWT_SECRET
os.execvp(command[0], command)
