"""16: a count, and articles in groups: counted each time, or kept by a trigger."""

from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict
from sqlalchemy import collate, func, select, text

from common import store

from .tables import Article, ArticleTotal

router = APIRouter(prefix="/aggregation")

Limit = Annotated[int, Query(ge=1, le=100)]


class Kind(StrEnum):
    country = "country"
    author = "author"


# Groups of one size are in the order of their keys' bytes, whatever the database's collation is.
COUNT = text("SELECT count(*) FROM articles")
GROUPS = {
    Kind.country: text("""
        SELECT country AS key, count(*) AS articles, CAST(sum(views) AS bigint) AS views
        FROM articles GROUP BY country ORDER BY count(*) DESC, country COLLATE "C" LIMIT :limit
    """),
    Kind.author: text("""
        SELECT author_id::text AS key, count(*) AS articles, CAST(sum(views) AS bigint) AS views
        FROM articles GROUP BY author_id ORDER BY count(*) DESC, author_id::text COLLATE "C" LIMIT :limit
    """),
}


class Counted(BaseModel):
    count: int


class Group(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    key: str
    articles: int
    views: int


class Groups(BaseModel):
    groups: list[Group]


@router.get("/count/orm", response_model=Counted)
async def count_by_orm() -> Any:
    async with store.session() as session:
        return {"count": await session.scalar(select(func.count(Article.id)))}


@router.get("/count/raw", response_model=Counted)
async def count_raw() -> Any:
    async with store.session() as session:
        return {"count": await session.scalar(COUNT)}


@router.get("/stats/{kind}/raw", response_model=Groups)
async def counted(kind: Kind, limit: Limit = 10) -> Any:
    async with store.session() as session:
        return {"groups": (await session.execute(GROUPS[kind], {"limit": limit})).all()}


@router.get("/stats/{kind}/kept", response_model=Groups)
async def kept(kind: Kind, limit: Limit = 10) -> Any:
    of_kind = select(ArticleTotal).where(ArticleTotal.kind == kind.value)
    ordered = of_kind.order_by(ArticleTotal.articles.desc(), collate(ArticleTotal.key, "C"))
    async with store.session() as session:
        return {"groups": (await session.scalars(ordered.limit(limit))).all()}
