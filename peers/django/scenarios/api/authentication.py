"""Who asks: whoever has a bearer token that is long enough, as the scenarios have it."""

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

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
