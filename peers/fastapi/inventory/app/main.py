"""The inventory API: accounts, products, their stock, and orders."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

import accounts
import orders
import products
import settings
import stock
from database import engine
from refusals import add_handlers
from schemas import Health

PREFIX = "/api/v1"


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    await engine.dispose()


# A body is JSON whatever its type is called, as for the other contestants.
api = FastAPI(
    title="Inventory",
    lifespan=lifespan,
    openapi_url=f"{PREFIX}/openapi.json",
    redirect_slashes=False,
    strict_content_type=False,
)
add_handlers(api)

routes = APIRouter(prefix=PREFIX)
for part in (accounts, products, stock, orders):
    routes.include_router(part.router)
api.include_router(routes)


@api.get("/")
async def root() -> dict[str, str]:
    return {"message": "Inventory"}


@api.get("/healthz", response_model=Health)
async def healthz() -> Any:
    return {"status": "ok"}


def without_slash(app: ASGIApp) -> ASGIApp:
    """Every path is also there with a slash at its end; a redirect would be a second request."""

    async def slashless(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and len(scope["path"]) > 1 and scope["path"].endswith("/"):
            scope["path"] = scope["path"][:-1]
        await app(scope, receive, send)

    return slashless


app = without_slash(api)
if settings.METRICS:
    # Where nobody asks for them, they must cost nothing.
    from measured import measured

    app = measured(app)
