"""Becomes the server that was chosen: uvicorn, or gunicorn over uvicorn's workers (gunicorn.conf.py)."""

import os

import settings

if settings.SERVER == "gunicorn":
    command = ["gunicorn"]
else:
    host, _, port = settings.LISTEN.rpartition(":")
    command = ["uvicorn", "main:app", "--host", host, "--port", port, "--workers", str(settings.WORKERS)]
    command += ["--loop", "uvloop", "--http", "httptools", "--ws", "none", "--backlog", "4096"]
    command += ["--timeout-keep-alive", "75", "--timeout-graceful-shutdown", "10"]
    # A worker that waits for its CPU quota is not dead: more than the 5 s after which uvicorn would replace
    # it.
    command += ["--timeout-worker-healthcheck", "30"]
    command += ["--no-access-log", "--no-server-header", "--log-level", "warning"]
os.environ["JWT_SECRET"] = settings.JWT_SECRET
os.execvp(command[0], command)
