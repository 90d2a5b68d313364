"""15 in Quart: a token that proves itself, and one that is a row in Postgres."""

from typing import Any

from quart import Blueprint, request

import inputs
import statements
import tokens
from quart_store import first, row

auth = Blueprint("auth", __name__, url_prefix="/auth")


def authorization() -> str:
    return request.headers.get("authorization", "")


@auth.get("/public")
async def public() -> dict[str, str]:
    return tokens.PUBLIC


@auth.post("/login/jwt")
async def login_jwt() -> dict[str, str]:
    user = await row(statements.ONE, inputs.user_id(request.args.get("user_id")))
    return tokens.login(tokens.issued(user["id"]))


@auth.post("/login/session")
async def login_session() -> dict[str, str]:
    token = tokens.of_session()
    await row(statements.NEW_SESSION, token, inputs.user_id(request.args.get("user_id")))
    return tokens.login(token)


@auth.get("/protected/jwt")
async def by_jwt() -> dict[str, Any]:
    return tokens.granted(tokens.subject(authorization()))


@auth.get("/protected/jwt-user")
async def by_jwt_with_user() -> dict[str, Any]:
    user = await first(statements.ONE, tokens.subject(authorization()))
    if user is None:
        raise tokens.refused()
    return {**tokens.granted(user["id"]), "user": user}


@auth.get("/protected/session")
async def by_session() -> dict[str, Any]:
    user = await first(statements.OF_SESSION, tokens.bearer(authorization()))
    if user is None:
        raise tokens.refused()
    return {**tokens.granted(user["id"]), "user": user}
