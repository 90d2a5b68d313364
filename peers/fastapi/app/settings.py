"""What the environment sets. A value that is not allowed ends the start, with a sentence that names it."""

import os

BEFORE_COMMIT = "before-commit"
AFTER_COMMIT = "after-commit"


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


ACKNOWLEDGE = _choice("ACKNOWLEDGE", BEFORE_COMMIT, (BEFORE_COMMIT, AFTER_COMMIT))
DATABASE_URL = os.environ.get("DATABASE_URL", "postgresql+asyncpg://pouco@/pouco?host=/run/postgresql")
DATABASE_CONNECTIONS = _number("DATABASE_CONNECTIONS", default=9, least=2, most=100)
REDIS_URL = os.environ.get("REDIS_URL", "unix:///run/redis-socket/redis.sock")
REDIS_CONNECTIONS = _number("REDIS_CONNECTIONS", default=16, least=1, most=1000)
