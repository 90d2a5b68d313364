"""Becomes the server that was chosen: gunicorn for WSGI (gunicorn.conf.py), uvicorn for ASGI."""

import os

import environment

if environment.INTERFACE == "wsgi":
    command = ["gunicorn"]
else:
    host, _, port = environment.LISTEN.rpartition(":")
    command = ["uvicorn", "project.asgi:application", "--host", host, "--port", port]
    command += ["--workers", str(environment.WORKERS), "--loop", "uvloop", "--http", "httptools"]
    command += ["--ws", "none", "--lifespan", "off", "--backlog", "4096"]
    command += ["--timeout-keep-alive", "75", "--timeout-graceful-shutdown", "10"]
    # A worker that waits for its CPU quota is not dead: more than the 5 s after which uvicorn would replace
    # it.
    command += ["--timeout-worker-healthcheck", "30"]
    command += ["--no-access-log", "--no-server-header", "--log-level", "warning"]
os.environ["JWT_SECRET"] = environment.JWT_SECRET
os.execvp(command[0], command)
