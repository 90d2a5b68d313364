"""Answers that say no."""

from typing import Any

from django.db import DatabaseError, IntegrityError, InterfaceError
from django.http import HttpRequest, JsonResponse
from redis.exceptions import RedisError
from rest_framework.exceptions import APIException
from rest_framework.response import Response
from rest_framework.views import exception_handler


class Taken(APIException):
    status_code = 409
    default_detail = "the e-mail address is taken"


class Unavailable(APIException):
    status_code = 503
    default_detail = "try again later"


def handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """What Postgres and Redis refuse, as an answer. The one constraint of users is that addresses differ."""
    if isinstance(error, IntegrityError):
        error = Taken()
    elif isinstance(error, DatabaseError | InterfaceError | RedisError):
        error = Unavailable()
    return exception_handler(error, context)


def not_found(request: HttpRequest, exception: Exception) -> JsonResponse:
    return JsonResponse({"detail": "there is nothing here"}, status=404)


def failed(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"detail": "this server failed"}, status=500)
