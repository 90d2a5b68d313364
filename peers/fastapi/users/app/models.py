"""What is answered, and what a list may ask for."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, BeforeValidator

LIMIT_USUAL = 50
LIMIT_MOST = 200
# What Postgres takes.
_BIGGEST = 2**63 - 1


class Health(BaseModel):
    status: str


class User(BaseModel):
    id: UUID
    email: str
    full_name: str
    age: int
    country_code: str
    is_active: bool
    created_at: datetime


class Page(BaseModel):
    items: list[User]
    limit: int
    offset: int
    total: int


def _digits(value: object) -> object:
    # Pydantic reads "+1", " 1", "1.0" and "1_0" as well.
    if isinstance(value, str) and not (value.isascii() and value.isdecimal()):
        raise ValueError("only digits are allowed")
    return value


Limit = Annotated[int, BeforeValidator(_digits), Query(ge=1, le=LIMIT_MOST)]
Offset = Annotated[int, BeforeValidator(_digits), Query(ge=0, le=_BIGGEST)]
