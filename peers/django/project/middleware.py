"""The one thing that Django leaves to a middleware and that every answer needs."""

from django.utils.decorators import async_only_middleware


@async_only_middleware
def content_length(get_response):
    """Without the header the server would send even an empty body in chunks.

    Django's own CommonMiddleware sets it too, but is written for threads: under ASGI it costs every
    request two of them.
    """

    async def middleware(request):
        response = await get_response(request)
        response.headers.setdefault("Content-Length", str(len(response.content)))
        return response

    return middleware
