"""The same endpoints with msgspec in Pydantic's place: it reads what is sent into structs, checks it, and
renders what is answered. FastAPI routes, resolves dependencies and reads forms."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request, Response, UploadFile
from msgspec import Meta, MsgspecError, Struct, json

from common import UserId, application, asked_elsewhere, request_id, store, token

app = application()

_encoder = json.Encoder()


class EchoData(Struct):
    items: list[Any]
    nested: dict[str, Any]


class EchoRequest(Struct):
    message: str
    timestamp: int | float | str
    data: EchoData


class Echo(Struct):
    message: str
    data: EchoData


class UserIn(Struct):
    # Postgres stores any character but U+0000.
    name: Annotated[str, Meta(min_length=1, max_length=100, pattern=r"\A[^\x00]+\Z")]
    # That it is an address at all, and no more.
    email: Annotated[str, Meta(max_length=254, pattern=r"\A[^@\s\x00]+@[^@\s\x00]+\Z")]


class User(Struct):
    id: int
    name: str
    email: str
    created_at: datetime


def sent[T](kind: type[T]) -> Callable[[Request], Awaitable[T]]:
    """A dependency: the body, as a struct of this kind."""
    decoder = json.Decoder(kind)

    async def read(request: Request) -> T:
        try:
            return decoder.decode(await request.body())
        # No JSON, or none of this kind.
        except (MsgspecError, UnicodeDecodeError) as error:
            raise HTTPException(422, str(error)) from None

    return read


def answer(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(_encoder.encode(value), status, headers, media_type="application/json")


def as_user(row: Any) -> User:
    return User(*store.values(row))


def found(row: Any | None) -> User:
    if row is None:
        raise HTTPException(404, "no such user")
    return as_user(row)


def stored(row: Any | None) -> User:
    if row is None:
        raise HTTPException(409, "the e-mail address is taken")
    return as_user(row)


@app.get("/health")
async def health() -> Response:
    return answer({"status": "ok", "server": "fastapi"})


@app.post("/echo")
async def echo(body: Annotated[EchoRequest, Depends(sent(EchoRequest))]) -> Response:
    return answer(Echo(body.message, body.data))


@app.get("/users")
async def users() -> Response:
    return answer([as_user(row) for row in await store.users()])


@app.post("/users")
async def create(body: Annotated[UserIn, Depends(sent(UserIn))]) -> Response:
    return answer(stored(await store.create(body.name, body.email)), 201)


@app.get("/users/{user_id}")
async def by_id(user_id: UserId) -> Response:
    return answer(found(await store.user(user_id)))


@app.put("/users/{user_id}")
async def change(user_id: UserId, body: Annotated[UserIn, Depends(sent(UserIn))]) -> Response:
    try:
        return answer(stored(await store.change(user_id, body.name, body.email)))
    except LookupError:
        raise HTTPException(404, "no such user") from None


@app.delete("/users/{user_id}")
async def delete(user_id: UserId) -> Response:
    if not await store.delete(user_id):
        raise HTTPException(404, "no such user")
    return Response(status_code=204)


@app.get("/external")
async def external() -> Response:
    return answer({"source": "external", "latency_ms": await asked_elsewhere(), "data": {"status": "ok"}})


@app.get("/protected", dependencies=[Depends(token)])
async def protected(request_id: Annotated[str, Depends(request_id)]) -> Response:
    headers = {"x-request-id": request_id} if request_id else None
    return answer({"message": "Access granted", "user": "bearer"}, headers=headers)


@app.post("/upload")
async def upload(file: UploadFile) -> Response:
    content = await file.read()
    return answer({"filename": file.filename, "size": len(content), "content_type": file.content_type})
