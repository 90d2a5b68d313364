"""What is sent, checked; and the answer that says no, whoever says it."""

import re
from typing import Any

from werkzeug.exceptions import Conflict, HTTPException, NotFound, Unauthorized, UnprocessableEntity

NAME_CHARACTERS = 100
EMAIL_CHARACTERS = 254
TOKEN_CHARACTERS = 10
# That it is an address at all, and no more.
_EMAIL = re.compile(r"[^@\s\0]+@[^@\s\0]+")


def refusal(error: HTTPException) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Of the frameworks themselves, too: theirs would be a page."""
    headers = {"www-authenticate": "Bearer"} if error.code == Unauthorized.code else {}
    return {"error": error.description}, error.code or 500, headers


def _must(holds: bool, message: str) -> None:
    if not holds:
        raise UnprocessableEntity(message)


def file[T](sent: T | None) -> T:
    _must(sent is not None, "file: is missing")
    return sent


def echo(body: Any) -> dict[str, Any]:
    _must(isinstance(body, dict), "expected an object")
    message, timestamp, data = body.get("message"), body.get("timestamp"), body.get("data")
    _must(isinstance(message, str), "message: expected a string")
    is_moment = isinstance(timestamp, int | float | str) and not isinstance(timestamp, bool)
    _must(is_moment, "timestamp: expected a number or a string")
    whole = isinstance(data, dict) and isinstance(data.get("items"), list)
    _must(whole and isinstance(data.get("nested"), dict), "data: expected items and nested")
    return {"message": message, "data": {"items": data["items"], "nested": data["nested"]}}


def user(body: Any) -> tuple[str, str]:
    """Name and e-mail address."""
    _must(isinstance(body, dict), "expected an object")
    name, email = body.get("name"), body.get("email")
    is_name = isinstance(name, str) and 1 <= len(name) <= NAME_CHARACTERS
    # Postgres stores any character but U+0000.
    _must(is_name and "\0" not in name, f"name: expected 1 to {NAME_CHARACTERS} characters")
    is_email = isinstance(email, str) and len(email) <= EMAIL_CHARACTERS and _EMAIL.fullmatch(email)
    _must(bool(is_email), "email: expected an address")
    return name, email


def token(authorization: str) -> str:
    """Of `Authorization: Bearer …`."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() != "bearer" or len(value) < TOKEN_CHARACTERS:
        raise Unauthorized("a token is needed")
    return value


def count(text: str | None, most: int) -> int:
    """Of the query: how many, 1,000 unless told."""
    return _number("count", text or "1000", 1, most)


def user_id(text: str | None) -> int:
    """Of the query; what Postgres takes."""
    return _number("user_id", text or "", 0, 2**63 - 1)


def _number(name: str, text: str, least: int, most: int) -> int:
    digits = text.isascii() and text.isdecimal() and len(text) < 20
    _must(digits and least <= int(text) <= most, f"{name}: expected a number from {least} to {most}")
    return int(text)


def found[T](row: T | None) -> T:
    if row is None:
        raise NotFound("no such user")
    return row


def taken() -> Conflict:
    return Conflict("the e-mail address is taken")
