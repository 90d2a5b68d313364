"""17: users by a part of their name or address, or by whole words of them."""

from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel
from sqlalchemy import or_, select, text

import models
from common import store
from store_sqlalchemy import User

router = APIRouter(prefix="/search")

# Postgres takes any character but U+0000.
Term = Annotated[str, Query(min_length=1, max_length=100, pattern=r"^[^\x00]+$")]
Limit = Annotated[int, Query(ge=1, le=100)]

# Word for word as in the index.
WORDS = text("to_tsvector('simple', name || ' ' || email) @@ plainto_tsquery('simple', :q)")


class Mode(StrEnum):
    like = "like"
    # The same statement: it is the index that differs.
    trgm = "trgm"
    fts = "fts"


class Found(BaseModel):
    users: list[models.User]


@router.get("/users", response_model=Found)
async def users(q: Term, mode: Mode = Mode.like, limit: Limit = 50) -> Any:
    if mode is Mode.fts:
        matches = WORDS.bindparams(q=q)
    else:
        matches = or_(User.name.ilike(pattern(q)), User.email.ilike(pattern(q)))
    async with store.session() as session:
        found = await session.scalars(select(User).where(matches).order_by(User.id).limit(limit))
        return {"users": found.all()}


def pattern(q: str) -> str:
    """Of any text that has it; what LIKE would take for a wildcard is itself."""
    for special in ("\\", "%", "_"):
        q = q.replace(special, "\\" + special)
    return f"%{q}%"
