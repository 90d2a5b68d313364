"""What the environment sets, for Django's settings and for gunicorn's. A value that is not allowed ends
the start."""

import os


def _number(name: str, default: int, least: int, most: int) -> int:
    text = os.environ.get(name, str(default))
    if not text.isdecimal() or not least <= int(text) <= most:
        raise SystemExit(f"{name} = {text!r}: a whole number from {least} to {most} is allowed")
    return int(text)


LISTEN = os.environ.get("LISTEN", "0.0.0.0:9999")
DATABASE_HOST = os.environ.get("DATABASE_HOST", "/run/postgresql")
WORKERS = _number("WORKERS", default=1, least=1, most=256)
# Of all workers together in the environment, of one worker here: each has a pool of its own.
_CONNECTIONS = _number("DATABASE_CONNECTIONS", default=30, least=WORKERS, most=1000)
_CONNECTIONS_MIN = _number("DATABASE_CONNECTIONS_MIN", default=min(5, _CONNECTIONS), least=0, most=_CONNECTIONS)
POOL_MOST = _CONNECTIONS // WORKERS
POOL_LEAST = _CONNECTIONS_MIN // WORKERS
