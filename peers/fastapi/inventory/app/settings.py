"""What the environment sets. A value that is not allowed ends the start, with a sentence that names it."""

import os

CONDITIONAL = "conditional"
ORIGINAL = "original"

SECRET_BYTES = 32


def _choice(name: str, default: str, allowed: tuple[str, ...]) -> str:
    value = os.environ.get(name, default)
    if value not in allowed:
        raise SystemExit(f"{name} = {value!r}: allowed are {', '.join(allowed)}")
    return value


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


# `original` orders and changes stock as the seed's backend does, which oversells.
ORDERS = _choice("ORDERS", CONDITIONAL, (CONDITIONAL, ORIGINAL))
JWT_SECRET = _secret("JWT_SECRET")
TOKEN_SECONDS = _number("TOKEN_SECONDS", default=8 * 3600, least=1, most=30 * 86_400)
BCRYPT_COST = _number("BCRYPT_COST", default=10, least=4, most=31)
DATABASE_URL = os.environ.get("DATABASE_URL", "postgresql+asyncpg://pouco@/pouco?host=/run/postgresql")
# Of this replica, and so are the connections: each process has its part of them in a pool of its own.
WORKERS = _number("WORKERS", default=1, least=1, most=256)
# Each process would count for itself, and whoever asks would get any of them.
METRICS = _choice("METRICS", "off", ("off", "on")) == "on"
if METRICS and WORKERS > 1:
    raise SystemExit("METRICS = 'on': WORKERS must be 1")
POOL = _number("DATABASE_CONNECTIONS", default=10, least=WORKERS, most=1000) // WORKERS
