"""Users who are kept for five minutes, in the process and as JSON in Redis. A change is seen in what is kept
when those are over."""

import threading
from collections.abc import Iterable
from typing import Any

import orjson
from cachetools import TTLCache
from werkzeug.exceptions import NotFound

KEPT_SECONDS = 300
# Of a user not 2 KB: 20 MB at most.
MOST_USERS = 10_000
# Who finds all connections taken waits for one. Redis may take more than the 100 ms for which a CPU quota
# may hold either side.
REDIS = {"max_connections": 32, "timeout": 60, "socket_timeout": 1.0, "socket_connect_timeout": 1.0}

type User = dict[str, Any]


class InProcess:
    def __init__(self) -> None:
        self._users: TTLCache[int, User] = TTLCache(MOST_USERS, KEPT_SECONDS)
        # What cachetools says of threads.
        self._lock = threading.Lock()

    def get(self, user_id: int) -> User | None:
        with self._lock:
            return self._users.get(user_id)

    def put(self, users: Iterable[User]) -> None:
        with self._lock:
            for user in users:
                self._users[user["id"]] = user


def key(user_id: int) -> str:
    return f"user:{user_id}"


def text(user: User) -> bytes:
    return orjson.dumps(user, option=orjson.OPT_UTC_Z)


def user(text: bytes) -> User:
    return orjson.loads(text)


def sourced(user: User, was_kept: bool) -> dict[str, Any]:
    return {"source": "cache" if was_kept else "database", "user": user}


def no_redis() -> NotFound:
    return NotFound("there is no such cache")
