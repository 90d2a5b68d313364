"""What is sent and what is answered."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from fastapi import Path, Query
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, StrictInt, StringConstraints

# What Postgres takes.
_BIGGEST = 2**63 - 1
_LARGEST_QUANTITY = 2**31 - 1
_MOST_LINES = 100
_PASSWORD_CHARACTERS = 8
# bcrypt reads no further.
PASSWORD_BYTES = 72
EMAIL_CHARACTERS = 254
_EMAIL = r"^[^@\s\x00-\x1f]{1,64}@[^@\s\x00-\x1f.]+(\.[^@\s\x00-\x1f.]+)+$"


def _plain(text: str) -> str:
    if not text.strip():
        raise ValueError("a text that is not blank is expected")
    if any(character < " " and character not in "\n\r\t" for character in text):
        raise ValueError("control characters are not allowed")
    return text


def _password(text: str) -> str:
    if len(text.encode()) > PASSWORD_BYTES:
        raise ValueError(f"more than {PASSWORD_BYTES} bytes are not allowed")
    if "\0" in text:
        raise ValueError("NUL is not allowed")
    return text


def _json_number(value: object) -> object:
    # Pydantic reads strings as well, and a boolean is a number to Python.
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("a number is expected")
    return value


def _digits(value: object) -> object:
    # Pydantic reads "+1", " 1", "1.0" and "1_0" as well.
    if isinstance(value, str) and not (value.isascii() and value.isdecimal()):
        raise ValueError("only digits are allowed")
    return value


def _text(most: int) -> Any:
    return Annotated[str, StringConstraints(max_length=most), AfterValidator(_plain)]


Amount = Annotated[Decimal, BeforeValidator(_json_number), Field(ge=0, max_digits=12, decimal_places=2)]
Number = Annotated[StrictInt, Field(ge=1, le=_BIGGEST)]
Quantity = Annotated[StrictInt, Field(ge=1, le=_LARGEST_QUANTITY)]

Id = Annotated[int, BeforeValidator(_digits), Path(ge=1, le=_BIGGEST)]
Limit = Annotated[int, BeforeValidator(_digits), Query(ge=1, le=100)]
Skip = Annotated[int, BeforeValidator(_digits), Query(ge=0, le=_BIGGEST)]
LIMIT_USUAL = 100


class Health(BaseModel):
    status: str


class NewAccount(BaseModel):
    email: Annotated[str, StringConstraints(max_length=EMAIL_CHARACTERS, pattern=_EMAIL)]
    password: Annotated[str, StringConstraints(min_length=_PASSWORD_CHARACTERS), AfterValidator(_password)]
    full_name: _text(255)


class Account(BaseModel):
    id: int
    email: str
    full_name: str
    is_active: bool


class Login(BaseModel):
    username: Annotated[
        str, StringConstraints(min_length=1, max_length=EMAIL_CHARACTERS), AfterValidator(_plain)
    ]
    password: Annotated[str, AfterValidator(_password)]


class Token(BaseModel):
    access_token: str
    token_type: str = "bearer"


class NewProduct(BaseModel):
    name: _text(200)
    price: Amount
    sku: _text(64)
    description: _text(2000) | None = None


class ProductChange(BaseModel):
    """What is to be different; what is left out stays. Only the description may be null."""

    name: _text(200) = ""
    price: Amount = Decimal(0)
    sku: _text(64) = ""
    description: _text(2000) | None = None


# Pydantic makes a double of an amount, which has one for each of twelve digits, and renders it in Rust.
class ProductOut(BaseModel):
    id: int
    name: str
    description: str | None
    price: float
    sku: str
    owner_id: int


class StockChange(BaseModel):
    product_id: Number
    quantity: Quantity


class StockOut(BaseModel):
    id: int
    product_id: int
    quantity: int
    last_updated: datetime


class NewLine(BaseModel):
    product_id: Number
    quantity: Quantity
    # The seed's clients send one; only the mode `original` believes it.
    unit_price: float | None = None


class NewOrder(BaseModel):
    status: Literal["pending"] | None = None
    items: Annotated[list[NewLine], Field(min_length=1, max_length=_MOST_LINES)]

    def wanted(self) -> dict[int, int]:
        """How much of which product: each once, in the order of their ids."""
        wanted: dict[int, int] = {}
        for line in sorted(self.items, key=lambda line: line.product_id):
            wanted[line.product_id] = wanted.get(line.product_id, 0) + line.quantity
        return wanted


class LineOut(BaseModel):
    id: int
    order_id: int
    product_id: int
    name: str
    quantity: int
    unit_price: float


class OrderOut(BaseModel):
    id: int
    customer_id: int
    status: str
    total_amount: float
    created_at: datetime
    updated_at: datetime
    items: list[LineOut]
