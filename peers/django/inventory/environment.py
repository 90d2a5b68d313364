"""What the environment sets. A value that is not allowed ends the start, with a sentence that names it."""

import os

SECRET_BYTES = 32


def _number(name: str, default: int, least: int, most: int) -> int:
    text = os.environ.get(name, str(default))
    if not text.isdecimal() or not least <= int(text) <= most:
        raise SystemExit(f"{name} = {text!r}: a whole number from {least} to {most} is allowed")
    return int(text)


def _secret(name: str) -> str:
    value = os.environ.get(name, "")
    if len(value.encode()) < SECRET_BYTES:
        raise SystemExit(f"{name} must have at least {SECRET_BYTES} bytes")
    return value


LISTEN = os.environ.get("LISTEN", "/run/pouco/api1.sock")
DATABASE_HOST = os.environ.get("DATABASE_HOST", "/run/postgresql")
DATABASE_NAME = os.environ.get("DATABASE_NAME", "pouco")
JWT_SECRET = _secret("JWT_SECRET")
TOKEN_SECONDS = _number("TOKEN_SECONDS", default=8 * 3600, least=1, most=30 * 86_400)
BCRYPT_COST = _number("BCRYPT_COST", default=10, least=4, most=31)
# Of this replica, and so are the connections: each process has its part of them in a pool of its own.
WORKERS = _number("WORKERS", default=1, least=1, most=256)
POOL = _number("DATABASE_CONNECTIONS", default=10, least=WORKERS, most=1000) // WORKERS
