"""Who has one of these is the user that it names, for an hour: a JSON Web Token, or a session's."""

import secrets
from datetime import UTC, datetime, timedelta

import jwt
from werkzeug.exceptions import Unauthorized

import settings

ALGORITHM = "HS256"
LIFETIME = timedelta(hours=1)
SESSION_BYTES = 32

PUBLIC = {"message": "public"}


def issued(user_id: int) -> str:
    # A subject is a string (RFC 7519, 4.1.2).
    claims = {"sub": str(user_id), "exp": datetime.now(UTC) + LIFETIME}
    return jwt.encode(claims, settings.JWT_SECRET, ALGORITHM)


def of_session() -> str:
    return secrets.token_urlsafe(SESSION_BYTES)


def login(token: str) -> dict[str, str]:
    return {"access_token": token, "token_type": "bearer"}


def granted(user_id: int) -> dict[str, object]:
    return {"user_id": user_id, "message": "Access granted"}


def refused() -> Unauthorized:
    return Unauthorized("a valid token is needed")


def bearer(authorization: str) -> str:
    """Of `Authorization: Bearer …`."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token or "\0" in token:
        raise refused()
    return token


def subject(authorization: str) -> int:
    """Whose it is, unless it was altered, has expired or was signed by anybody else, or by nobody."""
    token = bearer(authorization)
    try:
        claims = jwt.decode(token, settings.JWT_SECRET, [ALGORITHM], options={"require": ["sub", "exp"]})
    except jwt.InvalidTokenError:
        raise refused() from None
    sub = claims["sub"]
    if not (sub.isascii() and sub.isdecimal() and len(sub) < 19):
        raise refused()
    return int(sub)
