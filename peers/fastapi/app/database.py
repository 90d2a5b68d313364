"""The table, and all that is asked of Postgres."""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Index, String, Text, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

import settings

MOST_FOUND = 50
# Parts the fields in `busca`, so that no term of letters matches across two of them.
_SEPARATOR = "\x1f"

engine = create_async_engine(
    settings.DATABASE_URL,
    pool_size=settings.DATABASE_CONNECTIONS,
    max_overflow=0,
    # As long as the clients wait: under load a request is late rather than refused.
    pool_timeout=60,
    # asyncpg prepares every statement. Of a search Postgres should know the term before it plans: the plan
    # for just any term costs several times as much.
    connect_args={"server_settings": {"plan_cache_mode": "force_custom_plan"}},
)
# A single statement needs no transaction around it, which would be two more round trips.
_autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")


class Base(DeclarativeBase):
    pass


class Pessoa(Base):
    __tablename__ = "pessoas"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    apelido: Mapped[str] = mapped_column(String(32), unique=True)
    nome: Mapped[str] = mapped_column(String(100))
    nascimento: Mapped[date]
    stack: Mapped[list[str] | None] = mapped_column(ARRAY(String(32)))
    # All that a search looks at, in one column without case.
    busca: Mapped[str] = mapped_column(Text)

    __table_args__ = (
        Index("pessoas_busca", "busca", postgresql_using="gin", postgresql_ops={"busca": "gin_trgm_ops"}),
    )


_INSERT = insert(Pessoa).on_conflict_do_nothing()
_PUBLIC = (Pessoa.id, Pessoa.apelido, Pessoa.nome, Pessoa.nascimento, Pessoa.stack)

Row = dict[str, Any]


def with_search_text(person: Row) -> Row:
    """The row of a person: its fields, and what a search looks at."""
    texts = [person["apelido"], person["nome"], *(person["stack"] or [])]
    return {**person, "busca": _SEPARATOR.join(texts).casefold()}


async def insert_one(row: Row) -> bool:
    """False if the apelido is taken."""
    async with _autocommit.connect() as connection:
        return await connection.scalar(_INSERT.returning(Pessoa.id), row) is not None


async def insert_batch(rows: Sequence[Row]) -> None:
    """All in one transaction; a row whose apelido is taken is left out. May be repeated without harm."""
    async with engine.begin() as connection:
        await connection.execute(_INSERT, rows)


async def by_id(person_id: UUID) -> Row | None:
    async with _autocommit.connect() as connection:
        row = (await connection.execute(select(*_PUBLIC).where(Pessoa.id == person_id))).mappings().first()
        return dict(row) if row else None


async def search(term: str) -> list[Row]:
    # `autoescape`: %, _ and the escape character itself are plain characters in a term.
    matches = Pessoa.busca.contains(term.casefold(), autoescape=True)
    async with _autocommit.connect() as connection:
        rows = await connection.execute(select(*_PUBLIC).where(matches).limit(MOST_FOUND))
        return [dict(row) for row in rows.mappings()]


async def count() -> int:
    async with _autocommit.connect() as connection:
        return await connection.scalar(select(func.count()).select_from(Pessoa)) or 0
