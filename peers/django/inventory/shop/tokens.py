"""Bearer tokens: JWTs with HS256 and no other algorithm."""

import time

import environment
import jwt

_ALGORITHM = "HS256"
_BIGGEST = 2**63 - 1


def token_of(user: int) -> str:
    now = int(time.time())
    claims = {"sub": str(user), "iat": now, "exp": now + environment.TOKEN_SECONDS}
    return jwt.encode(claims, environment.JWT_SECRET, _ALGORITHM)


def user_of(token: str) -> int | None:
    try:
        options = {"require": ["sub", "exp"]}
        claims = jwt.decode(token, environment.JWT_SECRET, [_ALGORITHM], options=options)
    except jwt.InvalidTokenError:
        return None
    subject = claims["sub"]
    is_id = subject.isascii() and subject.isdecimal() and len(subject) <= 19 and 0 < int(subject) <= _BIGGEST
    return int(subject) if is_id else None
