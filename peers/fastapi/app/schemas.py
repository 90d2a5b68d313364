"""The body of a creation, and which status an invalid one gets."""

import re
from datetime import date
from typing import Annotated, Any

from fastapi.exceptions import RequestValidationError
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, StringConstraints

# `date.fromisoformat` reads more than this one form of ISO 8601.
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("Postgres stores no NUL character")
    return text


def _calendar_date(value: object) -> object:
    # What is not a string goes on to Pydantic, whose strict date refuses it as a wrong type.
    if not isinstance(value, str):
        return value
    if not _DATE.fullmatch(value):
        raise ValueError("the form is YYYY-MM-DD")
    return date.fromisoformat(value)


Short = Annotated[str, StringConstraints(max_length=32), AfterValidator(_without_nul)]
Long = Annotated[str, StringConstraints(max_length=100), AfterValidator(_without_nul)]
CalendarDate = Annotated[date, Field(strict=True), BeforeValidator(_calendar_date)]


class PessoaNova(BaseModel):
    """A person as it is sent. Keys that are not named here are ignored."""

    apelido: Short
    nome: Long
    nascimento: CalendarDate
    stack: list[Short] | None = None


# Pydantic's names for "the right type, and not acceptable".
_NOT_ACCEPTABLE = {"missing", "string_too_long", "value_error"}


def status_of(error: RequestValidationError) -> int:
    """422 if all that is wrong are values of the body's fields; 400 as soon as a type, or the request
    itself, is."""
    return 422 if all(_is_about_a_value(one) for one in error.errors()) else 400


def _is_about_a_value(error: dict[str, Any]) -> bool:
    source, *path = error["loc"]
    if source != "body" or not path:
        return False
    # A null where a field is required counts like its absence; Pydantic calls it a wrong type.
    is_null_field = len(path) == 1 and error["input"] is None
    return is_null_field or error["type"] in _NOT_ACCEPTABLE
