"""The body of a creation: what is the wrong type is malformed (400), what breaks a rule is not acceptable
(422)."""

import json
import re
from datetime import date
from typing import Any, NoReturn

from . import models

# `date.fromisoformat` reads more than this one form of ISO 8601.
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Malformed(ValueError):
    """No JSON object, or a field of a wrong type."""


class NotAcceptable(ValueError):
    """Understood, and against a rule."""


def person(body: bytes) -> dict[str, Any]:
    """The fields of a person that obeys the rules."""
    fields = _object(body)
    # All types before any rule: a type that is wrong outweighs a rule that is broken.
    apelido, nome, nascimento = (_text(fields, name) for name in ("apelido", "nome", "nascimento"))
    stack = _texts(fields, "stack")
    for element in stack or []:
        _check(element, "stack", models.ELEMENT_CHARS)
    return {
        "apelido": _required(apelido, "apelido", models.APELIDO_CHARS),
        "nome": _required(nome, "nome", models.NOME_CHARS),
        "nascimento": _date(nascimento),
        "stack": stack,
    }


def _object(body: bytes) -> dict[str, Any]:
    try:
        # Decoded here: of bytes the parser would guess the encoding.
        value = json.loads(body.decode(), parse_constant=_no_constant)
    # Nested too deep for the parser is malformed, too.
    except (ValueError, RecursionError) as error:
        raise Malformed("the body is no JSON") from error
    if not isinstance(value, dict):
        raise Malformed("the body is no JSON object")
    return value


def _no_constant(name: str) -> NoReturn:
    # Python reads NaN and Infinity, which are no JSON.
    raise ValueError(name)


def _text(fields: dict[str, Any], name: str) -> str | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise Malformed(f"{name} must be a string")
    return value


def _texts(fields: dict[str, Any], name: str) -> list[str] | None:
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(element, str) for element in value):
        raise Malformed(f"{name} must be null or an array of strings")
    return value


def _required(value: str | None, name: str, most_chars: int) -> str:
    if value is None:
        raise NotAcceptable(f"{name} is required")
    _check(value, name, most_chars)
    return value


def _check(value: str, name: str, most_chars: int) -> None:
    if len(value) > most_chars:
        raise NotAcceptable(f"{name} is longer than {most_chars} characters")
    if "\0" in value:
        raise NotAcceptable(f"{name} holds a NUL character, which Postgres does not store")
    if not value.isascii() and not _is_unicode(value):
        raise NotAcceptable(f"{name} holds half a character")


def _is_unicode(value: str) -> bool:
    """JSON's escapes can name one half of a surrogate pair, which is no character and has no UTF-8."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _date(value: str | None) -> date:
    if value is None or not _DATE.fullmatch(value):
        raise NotAcceptable("nascimento must be of the form YYYY-MM-DD")
    try:
        return date.fromisoformat(value)
    except ValueError as error:
        raise NotAcceptable("nascimento is no day of the calendar") from error
