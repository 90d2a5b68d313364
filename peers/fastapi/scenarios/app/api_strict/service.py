"""What can be done with users, whoever asks and wherever they are stored."""

from collections.abc import Sequence

from .entities import User
from .repository import Users


class UserService:
    def __init__(self, users: Users) -> None:
        self._users = users

    async def list_users(self) -> Sequence[User]:
        return await self._users.all()

    async def find_user(self, user_id: int) -> User:
        return await self._users.get(user_id)

    async def register_user(self, name: str, email: str) -> User:
        return await self._users.add(name, email)

    async def change_user(self, user_id: int, name: str, email: str) -> User:
        return await self._users.replace(user_id, name, email)

    async def remove_user(self, user_id: int) -> None:
        await self._users.remove(user_id)
