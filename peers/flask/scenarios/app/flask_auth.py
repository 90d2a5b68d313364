"""15 in Flask: a token that proves itself, and one that is a row in Postgres."""

from typing import Any

from flask import Blueprint, request

import inputs
import statements
import tokens
from flask_store import first, row

auth = Blueprint("auth", __name__, url_prefix="/auth")


def authorization() -> str:
    return request.headers.get("authorization", "")


@auth.get("/public")
def public() -> dict[str, str]:
    return tokens.PUBLIC


@auth.post("/login/jwt")
def login_jwt() -> dict[str, str]:
    user = row(statements.ONE, inputs.user_id(request.args.get("user_id")))
    return tokens.login(tokens.issued(user["id"]))


@auth.post("/login/session")
def login_session() -> dict[str, str]:
    token = tokens.of_session()
    row(statements.NEW_SESSION, token, inputs.user_id(request.args.get("user_id")))
    return tokens.login(token)


@auth.get("/protected/jwt")
def by_jwt() -> dict[str, Any]:
    return tokens.granted(tokens.subject(authorization()))


@auth.get("/protected/jwt-user")
def by_jwt_with_user() -> dict[str, Any]:
    user = first(statements.ONE, tokens.subject(authorization()))
    if user is None:
        raise tokens.refused()
    return {**tokens.granted(user["id"]), "user": user}


@auth.get("/protected/session")
def by_session() -> dict[str, Any]:
    user = first(statements.OF_SESSION, tokens.bearer(authorization()))
    if user is None:
        raise tokens.refused()
    return {**tokens.granted(user["id"]), "user": user}
