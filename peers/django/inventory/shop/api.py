"""What all views share: JSON, refusals, and who is calling."""

from decimal import Decimal

import orjson
from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.views import View

from . import tokens

BAD_REQUEST, UNAUTHORIZED, FORBIDDEN, NOT_FOUND, NOT_ALLOWED, CONFLICT = 400, 401, 403, 404, 405, 409
TOO_LARGE, INVALID, FAILED, UNAVAILABLE = 413, 422, 500, 503


class Refused(Exception):
    """Is answered as `{"error": …}`, with the member that is to blame if there is one."""

    def __init__(self, status: int, error: str, field: str | None = None) -> None:
        super().__init__(error)
        self.status, self.error, self.field = status, error, field

    def answer(self) -> HttpResponse:
        answer = json({"error": self.error} | ({"field": self.field} if self.field else {}), self.status)
        if self.status == UNAUTHORIZED:
            # What RFC 6750 asks for.
            answer["WWW-Authenticate"] = "Bearer"
        if self.status == UNAVAILABLE:
            answer["Retry-After"] = "1"
        return answer


def _amount(value: object) -> float:
    """An amount has a double for each of its digits. orjson renders all else that the ORM gives by itself."""
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(type(value))


def json(value: object, status: int = 200) -> HttpResponse:
    body = orjson.dumps(value, default=_amount, option=orjson.OPT_UTC_Z)
    # Without its length an answer would go out in chunks.
    headers = {"Content-Length": str(len(body))}
    return HttpResponse(body, content_type="application/json", status=status, headers=headers)


class Public(View):
    """Views that need no token."""

    def dispatch(self, request: HttpRequest, *args, **kwargs) -> HttpResponse:
        try:
            return super().dispatch(request, *args, **kwargs)
        except Refused as refused:
            return refused.answer()
        except RequestDataTooBig:
            return Refused(TOO_LARGE, "the body is too large").answer()
        except (OperationalError, InterfaceError):
            return Refused(UNAVAILABLE, "the database does not answer").answer()

    def http_method_not_allowed(self, request: HttpRequest, *args, **kwargs) -> HttpResponse:
        answer = Refused(NOT_ALLOWED, "this method is not allowed").answer()
        answer["Allow"] = ", ".join(self._allowed_methods())
        return answer


class Private(Public):
    """Views of somebody: `self.caller` is whose token it is."""

    def setup(self, request: HttpRequest, *args, **kwargs) -> None:
        super().setup(request, *args, **kwargs)
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        self.caller = tokens.user_of(token.strip()) if scheme.lower() == "bearer" else None

    def dispatch(self, request: HttpRequest, *args, **kwargs) -> HttpResponse:
        if self.caller is None:
            return Refused(UNAUTHORIZED, "a valid bearer token is needed").answer()
        return super().dispatch(request, *args, **kwargs)


class Health(Public):
    def get(self, request: HttpRequest) -> HttpResponse:
        return json({"status": "ok"})


class Root(Public):
    def get(self, request: HttpRequest) -> HttpResponse:
        return json({"message": "Inventory"})


def malformed(request: HttpRequest, exception: Exception) -> HttpResponse:
    return Refused(BAD_REQUEST, "the request is malformed").answer()


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return Refused(NOT_FOUND, "there is nothing here").answer()


def failed(request: HttpRequest) -> HttpResponse:
    return Refused(FAILED, "this server failed").answer()
