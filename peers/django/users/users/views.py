"""The users API: lookups by id and pages, each straight from Postgres."""

from uuid import UUID

import orjson
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse, QueryDict
from django.views.decorators.http import require_safe

from .models import User

LIMIT_USUAL = 50
LIMIT_MOST = 200
# What Postgres takes.
BIGGEST = 2**63 - 1
UUID_CHARS = 36


def _json(value: object, status: int = 200) -> HttpResponse:
    # orjson renders what the ORM gives (UUID, datetime) by itself; Django's encoder is Python, called for
    # each of them.
    body = orjson.dumps(value, option=orjson.OPT_UTC_Z)
    # Without its length an answer would go out in chunks.
    return HttpResponse(
        body, content_type="application/json", status=status, headers={"Content-Length": str(len(body))}
    )


def _problem(status: int, error: str) -> HttpResponse:
    return _json({"error": error}, status)


class _Refused(ValueError):
    """A parameter that is not allowed."""


def _number(query: QueryDict, name: str, default: int, least: int, most: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    # Digits first: int() takes signs, blanks and underscores as well. The length: it refuses thousands of
    # digits by itself.
    if not (text.isascii() and text.isdecimal() and len(text) <= 20 and least <= int(text) <= most):
        raise _Refused(f"{name}: a whole number from {least} to {most} is allowed")
    return int(text)


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    return _json({"status": "ok"})


@require_safe
def by_id(request: HttpRequest, user_id: str) -> HttpResponse:
    try:
        key = UUID(user_id)
    except ValueError:
        key = None
    # `UUID` reads other forms as well.
    if key is None or len(user_id) != UUID_CHARS:
        return _problem(400, "the id is no UUID")
    try:
        return _json(User.objects.public().get(pk=key))
    except User.DoesNotExist:
        return _problem(404, "not_found")
    except (DatabaseError, InterfaceError):
        return _problem(503, "unavailable")


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    try:
        limit = _number(request.GET, "limit", LIMIT_USUAL, 1, LIMIT_MOST)
        offset = _number(request.GET, "offset", 0, 0, BIGGEST)
    except _Refused as error:
        return _problem(400, str(error))
    try:
        items = list(User.objects.public().order_by("id")[offset : offset + limit])
        total = User.objects.count()
    except (DatabaseError, InterfaceError):
        return _problem(503, "unavailable")
    return _json({"items": items, "limit": limit, "offset": offset, "total": total})


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _problem(404, "not_found")


def failed(request: HttpRequest) -> HttpResponse:
    return _problem(500, "this server failed")
