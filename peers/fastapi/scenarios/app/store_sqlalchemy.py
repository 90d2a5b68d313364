"""Users through SQLAlchemy's ORM, as its documentation has it: a session a request, and a commit."""

from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter

from sqlalchemy import BigInteger, DateTime, Identity, Text, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

import settings


class Base(DeclarativeBase):
    type_annotation_map = {int: BigInteger, str: Text, datetime: DateTime(timezone=True)}


class User(Base):
    __tablename__ = "users"
    # What the server makes comes back with the INSERT.
    __mapper_args__ = {"eager_defaults": True}

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str]
    email: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Store:
    # Of a row as it is given here, in the order of the columns.
    values = staticmethod(attrgetter("id", "name", "email", "created_at"))

    def __init__(self) -> None:
        self._engine = create_async_engine(
            f"postgresql+asyncpg://pouco@/pouco?host={settings.DATABASE_HOST}",
            pool_size=settings.CONNECTIONS,
            max_overflow=0,
            # As long as the clients wait: under load a request is late rather than refused.
            pool_timeout=60,
        )
        self.session = async_sessionmaker(self._engine, expire_on_commit=False)

    async def open(self) -> None:
        """The engine connects when it is asked for the first time."""

    async def close(self) -> None:
        await self._engine.dispose()

    async def users(self) -> Sequence[User]:
        async with self.session() as session:
            return (await session.scalars(select(User))).all()

    async def user(self, user_id: int) -> User | None:
        async with self.session() as session:
            return await session.get(User, user_id)

    async def create(self, name: str, email: str) -> User | None:
        """Nothing where the address is taken."""
        async with self.session() as session:
            user = User(name=name, email=email)
            session.add(user)
            try:
                await session.commit()
            except IntegrityError:
                return None
            return user

    async def change(self, user_id: int, name: str, email: str | None) -> User | None:
        """As `create`, and without an address it stays; a `LookupError` where there is no such user."""
        async with self.session() as session:
            user = await session.get(User, user_id)
            if user is None:
                raise LookupError
            user.name = name
            if email is not None:
                user.email = email
            try:
                await session.commit()
            except IntegrityError:
                return None
            return user

    async def delete(self, user_id: int) -> bool:
        async with self.session() as session:
            user = await session.get(User, user_id)
            if user is None:
                return False
            await session.delete(user)
            await session.commit()
            return True
