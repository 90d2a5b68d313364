"""09: a table in pages, by OFFSET and by a cursor."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel
from sqlalchemy import BigInteger, func, literal, select

import models
from common import store
from store_sqlalchemy import User

router = APIRouter(prefix="/users")

Size = Annotated[int, Query(ge=1, le=1000)]
# So that the rows before it are a number that Postgres takes.
PageNumber = Annotated[int, Query(ge=1, le=2**53)]
Cursor = Annotated[int, Query(ge=0, le=2**63 - 1)]


class Page(BaseModel):
    items: list[models.User]
    # Null where nobody asked for them.
    total: int | None
    page: int
    size: int
    total_pages: int | None


class Stretch(BaseModel):
    items: list[models.User]
    # Null where nothing comes after.
    next_cursor: int | None
    size: int


@router.get("/offset", response_model=Page)
async def by_offset(page: PageNumber = 1, size: Size = 20, count: bool = True) -> Any:
    before = literal((page - 1) * size, BigInteger)
    total = None
    async with store.session() as session:
        if count:
            total = await session.scalar(select(func.count()).select_from(User))
        users = await session.scalars(select(User).order_by(User.id).limit(size).offset(before))
        items = users.all()
    pages = None if total is None else -(-total // size)
    return {"items": items, "total": total, "page": page, "size": size, "total_pages": pages}


@router.get("/cursor", response_model=Stretch)
async def by_cursor(cursor: Cursor = 0, size: Size = 20) -> Any:
    after = select(User).where(User.id > cursor).order_by(User.id)
    async with store.session() as session:
        # One more, which tells whether anything comes after.
        users = (await session.scalars(after.limit(size + 1))).all()
    items = users[:size]
    return {"items": items, "next_cursor": items[-1].id if len(users) > size else None, "size": size}
