"""What is sent and what is answered. Strict: no value is converted, and no unknown field is taken."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from models import Email, Name


class Schema(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, from_attributes=True)


class HealthResponse(Schema):
    status: str
    server: str


class EchoData(Schema):
    items: list[Any]
    nested: dict[str, Any]


class EchoRequest(Schema):
    message: str
    timestamp: int | float | str
    data: EchoData


class EchoResponse(Schema):
    message: str
    data: EchoData


class UserRequest(Schema):
    name: Name
    email: Email


class UserResponse(Schema):
    id: int
    name: str
    email: str
    created_at: datetime


class ExternalData(Schema):
    status: str


class ExternalResponse(Schema):
    source: str
    latency_ms: float
    data: ExternalData


class ProtectedResponse(Schema):
    message: str
    user: str


class UploadResponse(Schema):
    filename: str | None
    size: int
    content_type: str | None
