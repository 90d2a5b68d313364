"""All endpoints of 01 to 08 in one file: a route asks the store, and a response model renders what it gave.
With the ORM there are those of 09 to 18 too (advanced/)."""

from typing import Any

from fastapi import Depends, HTTPException, Response, UploadFile

import caches
import settings
from common import UserId, application, asked_elsewhere, request_id, store, token
from models import Echo, EchoRequest, External, Health, Protected, Uploaded, User, UserChange, UserIn

app = application()
if settings.STORE == "sqlalchemy":
    import advanced

    # Before `/users/{user_id}`, which would take some of them.
    app.include_router(advanced.router)


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
async def change(user_id: UserId, sent: UserChange) -> Any:
    try:
        user = await store.change(user_id, sent.name, sent.email)
    except LookupError:
        raise nobody() from None
    finally:
        # Also where it is unknown whether it was committed.
        await caches.remove(user_id)
    if user is None:
        raise taken()
    return user


@app.delete("/users/{user_id}", status_code=204)
async def delete(user_id: UserId) -> Response:
    try:
        was_there = await store.delete(user_id)
    finally:
        await caches.remove(user_id)
    if not was_there:
        raise nobody()
    return Response(status_code=204)


@app.get("/external", response_model=External)
async def external() -> Any:
    return {"source": "external", "latency_ms": await asked_elsewhere(), "data": {"status": "ok"}}


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
