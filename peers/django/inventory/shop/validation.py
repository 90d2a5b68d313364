"""What is sent, checked. An error names the member."""

import re
from decimal import Decimal
from typing import Any

import orjson
from django.http import HttpRequest, QueryDict

from .api import BAD_REQUEST, INVALID, Refused

# What Postgres takes.
_BIGGEST = 2**63 - 1
_LARGEST_QUANTITY = 2**31 - 1
_LARGEST_PRICE = Decimal("9999999999.99")
_MOST_LINES = 100
_LARGEST_PAGE = 100
_EMAIL_CHARACTERS = 254
_PASSWORD_CHARACTERS = 8
# bcrypt reads no further.
_PASSWORD_BYTES = 72
_EMAIL = re.compile(r"[^@\s\x00-\x1f]{1,64}@[^@\s\x00-\x1f.]+(\.[^@\s\x00-\x1f.]+)+")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


def _invalid(field: str, error: str) -> Refused:
    return Refused(INVALID, error, field)


def _object(body: bytes) -> dict[str, Any]:
    try:
        members = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Refused(BAD_REQUEST, "the body is no JSON") from None
    if not isinstance(members, dict):
        raise Refused(INVALID, "an object is expected")
    return members


def _text(members: dict[str, Any], field: str, most: int) -> str:
    text = members.get(field)
    if not isinstance(text, str) or not text.strip():
        raise _invalid(field, "a text that is not blank is expected")
    if len(text) > most:
        raise _invalid(field, f"at most {most} characters are allowed")
    if _CONTROL.search(text):
        raise _invalid(field, "control characters are not allowed")
    return text


def _description(members: dict[str, Any], field: str = "description") -> str | None:
    return None if members.get(field) is None else _text(members, field, 2000)


def _password(members: dict[str, Any], least: int) -> str:
    password = members.get("password")
    if not isinstance(password, str) or len(password) < least:
        raise _invalid("password", f"a text of at least {least} characters is expected")
    if len(password.encode()) > _PASSWORD_BYTES or "\0" in password:
        raise _invalid("password", f"more than {_PASSWORD_BYTES} bytes, or a NUL, are not allowed")
    return password


def _amount(members: dict[str, Any], field: str = "price") -> Decimal:
    number = members.get(field)
    # A boolean is a number to Python.
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise _invalid(field, "a number is expected")
    amount = Decimal(str(number))
    if not 0 <= amount <= _LARGEST_PRICE or amount * 100 % 1 != 0:
        raise _invalid(field, f"an amount from 0 to {_LARGEST_PRICE} with at most two decimals is expected")
    return amount


def _whole(members: dict[str, Any], field: str, most: int, place: str = "") -> int:
    number = members.get(field)
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= most:
        raise _invalid(place + field, f"a whole number from 1 to {most} is expected")
    return number


def account(body: bytes) -> dict[str, str]:
    """E-mail address, password and name of somebody who registers."""
    members = _object(body)
    email = _text(members, "email", _EMAIL_CHARACTERS)
    if not _EMAIL.fullmatch(email):
        raise _invalid("email", "an e-mail address is expected")
    password = _password(members, _PASSWORD_CHARACTERS)
    return {"email": email, "password": password, "full_name": _text(members, "full_name", 255)}


def login(body: bytes) -> tuple[str, str]:
    """E-mail address and password, of a form or of JSON.

    The first byte says which: the plan of JMeter says that its form is JSON, too.
    """
    if body.lstrip()[:1] == b"{":
        members = _object(body)
    else:
        try:
            members = QueryDict(body.decode()).dict()
        except ValueError:
            raise Refused(BAD_REQUEST, "the body is neither JSON nor a form") from None
    return _text(members, "username", _EMAIL_CHARACTERS), _password(members, 0)


def product(body: bytes) -> dict[str, Any]:
    members = _object(body)
    return {
        "name": _text(members, "name", 200),
        "price": _amount(members),
        "sku": _text(members, "sku", 64),
        "description": _description(members),
    }


def product_change(body: bytes) -> dict[str, Any]:
    """The members that were sent. Only the description may be null."""
    members = _object(body)
    checks = {
        "name": lambda: _text(members, "name", 200),
        "price": lambda: _amount(members),
        "sku": lambda: _text(members, "sku", 64),
        "description": lambda: _description(members),
    }
    return {field: check() for field, check in checks.items() if field in members}


def stock_change(body: bytes) -> tuple[int, int]:
    """A product's id, and how much of it."""
    members = _object(body)
    return _whole(members, "product_id", _BIGGEST), _whole(members, "quantity", _LARGEST_QUANTITY)


def order(body: bytes) -> dict[int, int]:
    """How much of which product: each once, in the order of their ids. A price of the client's is ignored."""
    members = _object(body)
    if members.get("status") not in (None, "pending"):
        raise _invalid("status", "a new order is pending")
    items = members.get("items")
    if not isinstance(items, list) or not 1 <= len(items) <= _MOST_LINES:
        raise _invalid("items", f"1 to {_MOST_LINES} lines are expected")
    wanted: dict[int, int] = {}
    for index, line in enumerate(items):
        if not isinstance(line, dict):
            raise _invalid(f"items[{index}]", "an object is expected")
        product_id = _whole(line, "product_id", _BIGGEST, f"items[{index}].")
        quantity = _whole(line, "quantity", _LARGEST_QUANTITY, f"items[{index}].")
        wanted[product_id] = wanted.get(product_id, 0) + quantity
    return dict(sorted(wanted.items()))


def number(text: str, field: str, least: int, most: int) -> int:
    # Digits first: int() takes signs, blanks and underscores as well. The length: it refuses thousands of
    # digits.
    if not (text.isascii() and text.isdecimal() and len(text) <= 20 and least <= int(text) <= most):
        raise _invalid(field, f"a whole number from {least} to {most} is expected")
    return int(text)


def identity(text: str) -> int:
    return number(text, "id", 1, _BIGGEST)


def page(request: HttpRequest) -> tuple[int, slice]:
    """The id that comes before the page, and which part of what follows it is wanted."""
    query = request.GET
    limit = number(query.get("limit", str(_LARGEST_PAGE)), "limit", 1, _LARGEST_PAGE)
    skip = number(query.get("skip", "0"), "skip", 0, _BIGGEST)
    after = number(query.get("after", "0"), "after", 0, _BIGGEST)
    return after, slice(skip, skip + limit)
