"""Users as entities: rows of the store are its own matter."""

from collections.abc import Sequence
from typing import Any, Protocol

import common

from .entities import EmailTaken, NoSuchUser, User


class Users(Protocol):
    """What the service needs of a repository."""

    async def all(self) -> Sequence[User]: ...

    async def get(self, user_id: int) -> User: ...

    async def add(self, name: str, email: str) -> User: ...

    async def replace(self, user_id: int, name: str, email: str) -> User: ...

    async def remove(self, user_id: int) -> None: ...


class StoredUsers:
    """Of the store that was chosen."""

    async def all(self) -> Sequence[User]:
        return [_entity(row) for row in await common.store.users()]

    async def get(self, user_id: int) -> User:
        row = await common.store.user(user_id)
        if row is None:
            raise NoSuchUser(user_id)
        return _entity(row)

    async def add(self, name: str, email: str) -> User:
        row = await common.store.create(name, email)
        if row is None:
            raise EmailTaken(email)
        return _entity(row)

    async def replace(self, user_id: int, name: str, email: str) -> User:
        try:
            row = await common.store.change(user_id, name, email)
        except LookupError:
            raise NoSuchUser(user_id) from None
        if row is None:
            raise EmailTaken(email)
        return _entity(row)

    async def remove(self, user_id: int) -> None:
        if not await common.store.delete(user_id):
            raise NoSuchUser(user_id)


def _entity(row: Any) -> User:
    return User(*common.store.values(row))
