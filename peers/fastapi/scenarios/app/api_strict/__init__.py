"""The same endpoints in layers, each with types of its own: routes know schemas and the service, the service
knows entities and the repository, and only the repository knows the store."""

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from common import application

from .entities import EmailTaken, NoSuchUser
from .routes import router


async def no_such_user(_request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, 404)


async def email_taken(_request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, 409)


app: FastAPI = application()
app.include_router(router)
app.add_exception_handler(NoSuchUser, no_such_user)
app.add_exception_handler(EmailTaken, email_taken)
