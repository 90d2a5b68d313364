"""JSON Web Tokens: who has one is the user that it names, for an hour."""

from datetime import UTC, datetime, timedelta

import jwt

import settings

ALGORITHM = "HS256"
LIFETIME = timedelta(hours=1)


def issued(user_id: int) -> str:
    # A subject is a string (RFC 7519, 4.1.2).
    claims = {"sub": str(user_id), "exp": datetime.now(UTC) + LIFETIME}
    return jwt.encode(claims, settings.JWT_SECRET, ALGORITHM)


def subject(token: str) -> int | None:
    """Whose it is; nobody's if it was altered, has expired or was signed by anybody else, or by nobody."""
    try:
        claims = jwt.decode(
            token, settings.JWT_SECRET, [ALGORITHM], options={"require": ["sub", "exp"]}
        )
    except jwt.InvalidTokenError:
        return None
    sub = claims["sub"]
    return int(sub) if sub.isascii() and sub.isdecimal() and len(sub) < 19 else None
