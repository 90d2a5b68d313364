"""15: a token that proves itself, and one that is a row in Postgres."""

import secrets
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, HTTPException, Query
from pydantic import BaseModel
from sqlalchemy import func, select

import models
from common import store
from store_sqlalchemy import User

from . import tokens
from .tables import UserSession

router = APIRouter(prefix="/auth")

SESSION_BYTES = 32
GRANTED = "Access granted"

UserId = Annotated[int, Query(ge=0, le=2**63 - 1)]


class Public(BaseModel):
    message: str


class Login(BaseModel):
    access_token: str
    token_type: str


class Granted(BaseModel):
    user_id: int
    message: str


class GrantedUser(Granted):
    user: models.User


def refused() -> HTTPException:
    return HTTPException(401, "a valid token is needed", {"www-authenticate": "Bearer"})


async def bearer(authorization: Annotated[str, Header()] = "") -> str:
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise refused()
    return token


async def subject(token: Annotated[str, Depends(bearer)]) -> int:
    user_id = tokens.subject(token)
    if user_id is None:
        raise refused()
    return user_id


async def known(user_id: UserId) -> int:
    if await store.user(user_id) is None:
        raise HTTPException(404, "no such user")
    return user_id


@router.get("/public", response_model=Public)
async def public() -> Any:
    return {"message": "public"}


@router.post("/login/jwt", response_model=Login)
async def login_jwt(user_id: Annotated[int, Depends(known)]) -> Any:
    return {"access_token": tokens.issued(user_id), "token_type": "bearer"}


@router.post("/login/session", response_model=Login)
async def login_session(user_id: Annotated[int, Depends(known)]) -> Any:
    token = secrets.token_urlsafe(SESSION_BYTES)
    expires_at = datetime.now(UTC) + tokens.LIFETIME
    async with store.session() as session:
        session.add(UserSession(token=token, user_id=user_id, expires_at=expires_at))
        await session.commit()
    return {"access_token": token, "token_type": "bearer"}


@router.get("/protected/jwt", response_model=Granted)
async def by_jwt(user_id: Annotated[int, Depends(subject)]) -> Any:
    return {"user_id": user_id, "message": GRANTED}


@router.get("/protected/jwt-user", response_model=GrantedUser)
async def by_jwt_with_user(user_id: Annotated[int, Depends(subject)]) -> Any:
    user = await store.user(user_id)
    if user is None:
        raise refused()
    return {"user_id": user_id, "message": GRANTED, "user": user}


@router.get("/protected/session", response_model=GrantedUser)
async def by_session(token: Annotated[str, Depends(bearer)]) -> Any:
    if "\0" in token:
        raise refused()
    valid = (UserSession.token == token, UserSession.expires_at > func.now())
    async with store.session() as session:
        user = await session.scalar(select(User).join(UserSession).where(*valid))
    if user is None:
        raise refused()
    return {"user_id": user.id, "message": GRANTED, "user": user}
