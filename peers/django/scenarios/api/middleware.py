"""What no request may have, and what every answer needs. Written for both interfaces: under ASGI a middleware
that is written for threads costs every request two of them."""

from collections.abc import Callable
from inspect import iscoroutinefunction
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.decorators import sync_and_async_middleware


@sync_and_async_middleware
def bounded(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Requests have a bound, which REST framework's parsers have not, and answers their length: without it
    they would go out in chunks."""

    if iscoroutinefunction(get_response):

        async def middleware(request: HttpRequest) -> HttpResponse:
            return _with_length(_refusal(request) or await get_response(request))

    else:

        def middleware(request: HttpRequest) -> HttpResponse:
            return _with_length(_refusal(request) or get_response(request))

    return middleware


def _refusal(request: HttpRequest) -> HttpResponse | None:
    length = request.META.get("CONTENT_LENGTH") or "0"
    is_form = request.META.get("CONTENT_TYPE", "").startswith("multipart/")
    most = settings.FORM_BYTES if is_form else settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    # int() alone would take signs and blanks, and refuse thousands of digits by itself.
    if length.isascii() and length.isdecimal() and len(length) <= 20 and int(length) <= most:
        return None
    return JsonResponse({"detail": "the body is too large"}, status=413)


def _with_length(response: HttpResponse) -> HttpResponse:
    response.headers.setdefault("Content-Length", str(len(response.content)))
    return response
