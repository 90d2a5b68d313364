"""What the two kinds of views share: a request that is checked, and an answer that is built of it."""

import time
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from . import serializers

EXTERNAL_SECONDS = 0.1

PUBLIC = {"message": "public"}
HEALTH = {"status": "ok", "server": "django"}


def _valid(serializer: Serializer) -> dict[str, Any]:
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data


def echo(request: Request) -> Response:
    sent = _valid(serializers.Echo(data=request.data))
    return Response({"message": sent["message"], "data": sent["data"]})


def new_user(request: Request) -> dict[str, Any]:
    return _valid(serializers.NewUser(data=request.data))


def count(request: Request) -> int:
    return _valid(serializers.Count(data=request.query_params))["count"]


def user_id(request: Request) -> int:
    return _valid(serializers.Login(data=request.query_params))["user_id"]


def found(user: dict[str, Any] | None) -> Response:
    if user is None:
        raise NotFound("no such user")
    return Response(user)


def deleted(was_there: bool) -> Response:
    if not was_there:
        raise NotFound("no such user")
    return Response(status=204)


def external(started: float) -> Response:
    latency_ms = round((time.perf_counter() - started) * 1000, 3)
    return Response({"source": "external", "latency_ms": latency_ms, "data": {"status": "ok"}})


def protected(request: Request) -> Response:
    request_id = request.headers.get("x-request-id")
    headers = {"x-request-id": request_id} if request_id else None
    return Response({"message": "Access granted", "user": request.user.name}, headers=headers)


def upload(request: Request) -> Response:
    file = request.data.get("file")
    if not isinstance(file, UploadedFile):
        raise ValidationError({"file": ["is missing"]})
    return Response({"filename": file.name, "size": file.size, "content_type": file.content_type})
