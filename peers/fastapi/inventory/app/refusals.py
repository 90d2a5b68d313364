"""Everything that is refused is `{"error": …}`, with the member that is to blame if there is one."""

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError, TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException as StarletteHTTPException

BAD_REQUEST, UNAUTHORIZED, FORBIDDEN, NOT_FOUND, CONFLICT, INVALID, UNAVAILABLE = (
    400,
    401,
    403,
    404,
    409,
    422,
    503,
)


class Refused(HTTPException):
    def __init__(self, status: int, error: str, field: str | None = None) -> None:
        # What RFC 6750 asks of a 401.
        headers = {"WWW-Authenticate": "Bearer"} if status == UNAUTHORIZED else None
        super().__init__(status, error, headers)
        self.field = field


def _answer(
    status: int, error: str, field: str | None, headers: dict[str, str] | None = None
) -> JSONResponse:
    return JSONResponse({"error": error} | ({"field": field} if field else {}), status, headers)


def field_of(path: tuple[int | str, ...]) -> str:
    """`items[0].quantity` of Pydantic's `("body", "items", 0, "quantity")`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path[1:]).removeprefix(
        "."
    )


async def _refused(request: Request, error: StarletteHTTPException) -> JSONResponse:
    return _answer(error.status_code, error.detail, getattr(error, "field", None), error.headers)


async def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
    first = error.errors()[0]
    no_body = first["loc"] == ("body",) and request.headers.get("content-length", "0") == "0"
    if first["type"] == "json_invalid" or no_body:
        return _answer(BAD_REQUEST, "the body is no JSON", None)
    return _answer(INVALID, first["msg"], field_of(first["loc"]))


async def _unavailable(request: Request, error: Exception) -> JSONResponse:
    return _answer(UNAVAILABLE, "the database does not answer", None, {"Retry-After": "1"})


def add_handlers(app: FastAPI) -> None:
    app.add_exception_handler(StarletteHTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    for error in (DBAPIError, PoolTimeout, OSError):
        app.add_exception_handler(error, _unavailable)
