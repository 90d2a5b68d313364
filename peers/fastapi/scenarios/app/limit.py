"""So many requests at once and no more: who comes past them is told so at once, and when to come again."""

from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

RETRY_AFTER_SECONDS = 1


class Limit:
    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = app
        self._most = most
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif self._under_way >= self._most:
            headers = {"retry-after": str(RETRY_AFTER_SECONDS)}
            await JSONResponse({"detail": "too many requests at once"}, 503, headers)(scope, receive, send)
        else:
            self._under_way += 1
            try:
                await self._app(scope, receive, send)
            finally:
                self._under_way -= 1
