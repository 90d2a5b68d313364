"""What the environment sets, for Django's settings and for the servers. A value that is not allowed ends the
start."""

import os
import secrets


def _number(name: str, default: int, least: int, most: int) -> int:
    text = os.environ.get(name, str(default))
    if not text.isdecimal() or not least <= int(text) <= most:
        raise SystemExit(f"{name} = {text!r}: a whole number from {least} to {most} is allowed")
    return int(text)


def _word(name: str, allowed: tuple[str, ...]) -> str:
    word = os.environ.get(name, allowed[0])
    if word not in allowed:
        raise SystemExit(f"{name} = {word!r}: {' or '.join(allowed)} is allowed")
    return word


LISTEN = os.environ.get("LISTEN", "0.0.0.0:9999")
DATABASE_HOST = os.environ.get("DATABASE_HOST", "/run/postgresql")
# WSGI under gunicorn, or ASGI under uvicorn.
INTERFACE = _word("INTERFACE", ("wsgi", "asgi"))
# The handlers of users: APIViews, or a ModelViewSet.
VIEWS = _word("VIEWS", ("apiview", "viewset"))
# Who asks Postgres for the APIViews: the ORM, or statements.
STORE = _word("STORE", ("orm", "raw"))
if VIEWS == "viewset" and (INTERFACE, STORE) != ("wsgi", "orm"):
    raise SystemExit("VIEWS = viewset is a ModelViewSet: INTERFACE = wsgi and STORE = orm are allowed")
WORKERS = _number("WORKERS", default=1, least=1, most=256)
# Of all workers together in the environment, of one worker here: each has its own.
CONNECTIONS = _number("DATABASE_CONNECTIONS", default=18, least=WORKERS, most=1000) // WORKERS
# Of a gunicorn worker. Each keeps a connection of its own.
THREADS = min(16, CONNECTIONS)
# A cache of users; without it there is none but the process's.
REDIS_URL = os.environ.get("REDIS_URL", "")
# Who has it may sign tokens. One that is made here goes to all workers (serve.py).
JWT_SECRET = os.environ.get("JWT_SECRET") or secrets.token_hex(32)
if len(JWT_SECRET.encode()) < 32:
    raise SystemExit("JWT_SECRET: at least 32 bytes are asked of a key for HS256")
