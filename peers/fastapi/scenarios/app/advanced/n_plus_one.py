"""10: authors with their posts, in 1 + n statements, in one and in two."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict
from sqlalchemy import Select, select
from sqlalchemy.orm import joinedload, subqueryload

from common import store

from .tables import Author

router = APIRouter(prefix="/n-plus-one")

Limit = Annotated[int, Query(ge=1, le=100)]


class PostOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    title: str
    body: str


class AuthorOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    country: str
    posts: list[PostOut]


class Authors(BaseModel):
    authors: list[AuthorOut]


def first(limit: int) -> Select[tuple[Author]]:
    return select(Author).order_by(Author.id).limit(limit)


@router.get("/lazy", response_model=Authors)
async def lazy(limit: Limit = 20) -> Any:
    async with store.session() as session:
        authors = (await session.scalars(first(limit))).all()
        for author in authors:
            # Loads them: lazy="select", for coroutines.
            await author.awaitable_attrs.posts
    return {"authors": authors}


@router.get("/eager", response_model=Authors)
async def eager(limit: Limit = 20) -> Any:
    return {"authors": await loaded(first(limit).options(joinedload(Author.posts)))}


@router.get("/subquery", response_model=Authors)
async def subquery(limit: Limit = 20) -> Any:
    return {"authors": await loaded(first(limit).options(subqueryload(Author.posts)))}


async def loaded(statement: Select[tuple[Author]]) -> Sequence[Author]:
    async with store.session() as session:
        # A join has an author once for each post.
        return (await session.scalars(statement)).unique().all()
