"""Passwords and tokens."""

import time
from typing import Annotated

import anyio
import bcrypt
import jwt
from anyio import to_thread
from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

import settings
from refusals import UNAUTHORIZED, Refused

_ALGORITHM = "HS256"
_BIGGEST = 2**63 - 1

# bcrypt lets go of the interpreter while it computes. One at a time: more would only take turns on the
# replica's CPU.
_hashing = anyio.CapacityLimiter(1)
# Compared for an address that nobody has, so that it takes as long.
_NOBODY = bcrypt.hashpw(b"nobody's password", bcrypt.gensalt(settings.BCRYPT_COST))


async def hash_of(password: str) -> str:
    salt = bcrypt.gensalt(settings.BCRYPT_COST)
    return (await to_thread.run_sync(bcrypt.hashpw, password.encode(), salt, limiter=_hashing)).decode()


async def is_password(password: str, hashed: str | None) -> bool:
    expected = hashed.encode() if hashed is not None else _NOBODY
    same = await to_thread.run_sync(bcrypt.checkpw, password.encode(), expected, limiter=_hashing)
    return same and hashed is not None


def token_of(user: int) -> str:
    now = int(time.time())
    claims = {"sub": str(user), "iat": now, "exp": now + settings.TOKEN_SECONDS}
    return jwt.encode(claims, settings.JWT_SECRET, _ALGORITHM)


def user_of(token: str) -> int | None:
    try:
        claims = jwt.decode(token, settings.JWT_SECRET, [_ALGORITHM], options={"require": ["sub", "exp"]})
    except jwt.InvalidTokenError:
        return None
    subject = claims["sub"]
    is_id = subject.isascii() and subject.isdecimal() and len(subject) <= 19 and 0 < int(subject) <= _BIGGEST
    return int(subject) if is_id else None


_bearer = HTTPBearer(auto_error=False)


async def _caller(credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> int:
    user = user_of(credentials.credentials) if credentials else None
    if user is None:
        raise Refused(UNAUTHORIZED, "a valid bearer token is needed")
    return user


Caller = Annotated[int, Depends(_caller)]
