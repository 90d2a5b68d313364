"""What is sent, and what is answered."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints

# Postgres stores any character but U+0000.
Name = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00]+$")]
# That it is an address at all, and no more.
Email = Annotated[str, StringConstraints(max_length=254, pattern=r"^[^@\s\x00]+@[^@\s\x00]+$")]


class Health(BaseModel):
    status: str
    server: str


class EchoData(BaseModel):
    items: list[Any]
    nested: dict[str, Any]


class EchoRequest(BaseModel):
    message: str
    timestamp: int | float | str
    data: EchoData


class Echo(BaseModel):
    message: str
    data: EchoData


class UserIn(BaseModel):
    name: Name
    email: Email


class UserChange(BaseModel):
    """What is not sent stays."""

    name: Name
    email: Email | None = None


class User(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    email: str
    created_at: datetime


class External(BaseModel):
    source: str
    latency_ms: float
    data: dict[str, Any]


class Protected(BaseModel):
    message: str
    user: str


class Uploaded(BaseModel):
    filename: str | None
    size: int
    content_type: str | None
