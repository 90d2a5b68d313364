"""15: who has one of these is the user that it names, for an hour: a JSON Web Token, or a session's. What
asks Postgres is for threads."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from rest_framework.exceptions import AuthenticationFailed, NotFound

import environment

from .chosen import store

ALGORITHM = "HS256"
LIFETIME = timedelta(hours=1)
SESSION_BYTES = 32


def issue(user_id: int) -> dict[str, str]:
    if store.user(user_id) is None:
        raise NotFound("no such user")
    # A subject is a string (RFC 7519, 4.1.2).
    claims = {"sub": str(user_id), "exp": datetime.now(UTC) + LIFETIME}
    return _login(jwt.encode(claims, environment.JWT_SECRET, ALGORITHM))


def open_session(user_id: int) -> dict[str, str]:
    token = secrets.token_urlsafe(SESSION_BYTES)
    if not store.new_session(token, user_id, datetime.now(UTC) + LIFETIME):
        raise NotFound("no such user")
    return _login(token)


def _login(token: str) -> dict[str, str]:
    return {"access_token": token, "token_type": "bearer"}


def subject(token: str) -> int:
    """Whose it is, unless it was altered, has expired or was signed by anybody else, or by nobody."""
    try:
        claims = jwt.decode(token, environment.JWT_SECRET, [ALGORITHM], options={"require": ["sub", "exp"]})
    except jwt.InvalidTokenError:
        raise refused() from None
    sub = claims["sub"]
    if not (sub.isascii() and sub.isdecimal() and len(sub) < 19):
        raise refused()
    return int(sub)


def granted(user_id: int) -> dict[str, Any]:
    return {"user_id": user_id, "message": "Access granted"}


def granted_to(user: dict[str, Any] | None) -> dict[str, Any]:
    if user is None:
        raise refused()
    return {**granted(user["id"]), "user": user}


def by_user(user_id: int) -> dict[str, Any]:
    return granted_to(store.user(user_id))


def by_session(token: str) -> dict[str, Any]:
    return granted_to(store.of_session(token))


def refused() -> AuthenticationFailed:
    return AuthenticationFailed("a valid token is needed")
