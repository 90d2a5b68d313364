"""What the environment sets. A value that is not allowed ends the start, with a sentence that names it."""

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
# Who reads and renders: Pydantic in one file or in layers, or msgspec.
API = _word("API", ("pragmatic", "strict", "msgspec"))
# Uvicorn, or gunicorn over its workers.
SERVER = _word("SERVER", ("uvicorn", "gunicorn"))
# Who asks Postgres: the ORM, or its driver without it.
STORE = _word("STORE", ("sqlalchemy", "asyncpg"))
WORKERS = _number("WORKERS", default=1, least=1, most=256)
# Of all workers together in the environment, of one worker here: each has a pool of its own.
CONNECTIONS = _number("DATABASE_CONNECTIONS", default=18, least=WORKERS, most=1000) // WORKERS
# Of a worker, under way at once; what comes past it is refused. 0 is any number.
MOST_REQUESTS = _number("MOST_REQUESTS", default=0, least=0, most=100_000)
# A cache of users; without it there is none but the process's.
REDIS_URL = os.environ.get("REDIS_URL", "")
# Who has it may sign tokens. One that is made here goes to all workers (serve.py).
JWT_SECRET = os.environ.get("JWT_SECRET") or secrets.token_hex(32)
if len(JWT_SECRET.encode()) < 32:
    raise SystemExit("JWT_SECRET: at least 32 bytes are asked of a key for HS256")
