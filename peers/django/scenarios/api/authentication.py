"""Who asks: whoever has a bearer token that is long enough, as scenario 06 has it, or one that is good, as 15
has it."""

from dataclasses import dataclass

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from . import tokens

TOKEN_CHARACTERS = 10


class Bearer:
    """A user of REST framework's, as far as its permissions ask."""

    is_authenticated = True
    name = "bearer"


class BearerToken(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[Bearer, str] | None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        if len(token) < TOKEN_CHARACTERS:
            raise AuthenticationFailed("a token is needed")
        return Bearer(), token

    # What makes a refusal a 401.
    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


@dataclass(frozen=True, slots=True)
class Subject:
    """As `Bearer`; nothing where the token alone does not tell."""

    id: int | None
    is_authenticated: bool = True


class AnyToken(BearerToken):
    """That there is one; what it is worth Postgres knows."""

    def authenticate(self, request: Request) -> tuple[Subject, str] | None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token or "\0" in token:
            return None
        return Subject(None), token


class JsonWebToken(AnyToken):
    def authenticate(self, request: Request) -> tuple[Subject, str] | None:
        asked = super().authenticate(request)
        return None if asked is None else (Subject(tokens.subject(asked[1])), asked[1])
