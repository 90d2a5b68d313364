"""What the service speaks of: nothing of HTTP, and nothing of a database."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class User:
    id: int
    name: str
    email: str
    created_at: datetime


class NoSuchUser(Exception):
    def __init__(self, user_id: int) -> None:
        super().__init__(f"there is no user {user_id}")


class EmailTaken(Exception):
    def __init__(self, email: str) -> None:
        super().__init__(f"the e-mail address {email} is taken")
