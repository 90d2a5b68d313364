"""Register and log in."""

from typing import Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from pydantic_core import from_json
from sqlalchemy import bindparam, func, insert, select
from sqlalchemy.exc import IntegrityError

from database import User, autocommit
from refusals import BAD_REQUEST, CONFLICT, UNAUTHORIZED, Refused
from schemas import Account, Login, NewAccount, Token
from security import hash_of, is_password, token_of

router = APIRouter(prefix="/auth")

_INSERT = insert(User).returning(User.id, User.email, User.full_name, User.is_active)
_BY_EMAIL = select(User.id, User.password_hash, User.is_active).where(
    func.lower(User.email) == func.lower(bindparam("email"))
)


@router.post("/register", status_code=201, response_model=Account)
async def register(new: NewAccount) -> Any:
    row = {"email": new.email, "full_name": new.full_name, "password_hash": await hash_of(new.password)}
    try:
        async with autocommit.connect() as connection:
            return (await connection.execute(_INSERT, row)).mappings().one()
    except IntegrityError:
        raise Refused(CONFLICT, "this address is taken", "email") from None


def read_login(body: bytes) -> Login:
    """A form or JSON. Its first byte says which: the plan of JMeter says that its form is JSON, too."""
    try:
        if body.lstrip()[:1] == b"{":
            members = from_json(body)
        else:
            members = {
                name: values[-1] for name, values in parse_qs(body.decode(), keep_blank_values=True).items()
            }
    except ValueError:
        raise Refused(BAD_REQUEST, "the body is neither JSON nor a form") from None
    try:
        return Login.model_validate(members)
    except ValidationError as error:
        first = error.errors()[0]
        raise RequestValidationError([{**first, "loc": ("body", *first["loc"])}]) from None


@router.post("/login", response_model=Token)
async def login(request: Request) -> Any:
    given = read_login(await request.body())
    async with autocommit.connect() as connection:
        user = (await connection.execute(_BY_EMAIL, {"email": given.username})).first()
    # No connection is held meanwhile.
    if not await is_password(given.password, user and user.password_hash) or not user.is_active:
        raise Refused(UNAUTHORIZED, "no such account, or another password")
    return {"access_token": token_of(user.id)}
