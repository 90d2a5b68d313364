"""The API of the scenarios: one endpoint for each kind of work that a back end does."""

import asyncio
import importlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, HTTPException, Path, Response, UploadFile

import settings
from models import Echo, EchoRequest, External, Health, Protected, Uploaded, User, UserIn

EXTERNAL_SECONDS = 0.1
TOKEN_CHARACTERS = 10

# The one that was chosen, and nothing of the other.
store = importlib.import_module(f"store_{settings.STORE}").Store()


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    await store.open()
    yield
    await store.close()


app = FastAPI(lifespan=lifespan, openapi_url=None, redirect_slashes=False)

# What Postgres takes.
UserId = Annotated[int, Path(ge=0, le=2**63 - 1)]


def nobody() -> HTTPException:
    return HTTPException(404, "no such user")


def taken() -> HTTPException:
    return HTTPException(409, "the e-mail address is taken")


@app.get("/health", response_model=Health)
async def health() -> Any:
    return {"status": "ok", "server": "fastapi"}


@app.post("/echo", response_model=Echo)
async def echo(sent: EchoRequest) -> Any:
    return {"message": sent.message, "data": sent.data}


@app.get("/users", response_model=list[User])
async def users() -> Any:
    return await store.users()


@app.post("/users", response_model=User, status_code=201)
async def create(sent: UserIn) -> Any:
    user = await store.create(sent.name, sent.email)
    if user is None:
        raise taken()
    return user


@app.get("/users/{user_id}", response_model=User)
async def by_id(user_id: UserId) -> Any:
    user = await store.user(user_id)
    if user is None:
        raise nobody()
    return user


@app.put("/users/{user_id}", response_model=User)
async def change(user_id: UserId, sent: UserIn) -> Any:
    try:
        user = await store.change(user_id, sent.name, sent.email)
    except LookupError:
        raise nobody() from None
    if user is None:
        raise taken()
    return user


@app.delete("/users/{user_id}", status_code=204)
async def delete(user_id: UserId) -> Response:
    if not await store.delete(user_id):
        raise nobody()
    return Response(status_code=204)


@app.get("/external", response_model=External)
async def external() -> Any:
    started = time.perf_counter()
    await asyncio.sleep(EXTERNAL_SECONDS)
    took = (time.perf_counter() - started) * 1000
    return {"source": "external", "latency_ms": round(took, 3), "data": {"status": "ok"}}


async def token(authorization: Annotated[str, Header()] = "") -> str:
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() != "bearer" or len(value) < TOKEN_CHARACTERS:
        raise HTTPException(401, "a token is needed", {"www-authenticate": "Bearer"})
    return value


async def request_id(response: Response, x_request_id: Annotated[str, Header()] = "") -> str:
    if x_request_id:
        response.headers["x-request-id"] = x_request_id
    return x_request_id


@app.get("/protected", response_model=Protected, dependencies=[Depends(token), Depends(request_id)])
async def protected() -> Any:
    return {"message": "Access granted", "user": "bearer"}


@app.post("/upload", response_model=Uploaded)
async def upload(file: UploadFile) -> Any:
    content = await file.read()
    return {
        "filename": file.filename,
        "size": len(content),
        "content_type": file.content_type,
    }
