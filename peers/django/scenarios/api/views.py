"""REST framework's APIViews, for threads."""

import time

from rest_framework.parsers import MultiPartParser
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from . import answers, cached, tokens
from .authentication import AnyToken, BearerToken, JsonWebToken
from .chosen import store


class Health(APIView):
    def get(self, request: Request) -> Response:
        return Response(answers.HEALTH)


class Echo(APIView):
    def post(self, request: Request) -> Response:
        return answers.echo(request)


class Users(APIView):
    def get(self, request: Request) -> Response:
        return Response(store.users())

    def post(self, request: Request) -> Response:
        return Response(store.create(**answers.new_user(request)), 201)


class User(APIView):
    def get(self, request: Request, pk: int) -> Response:
        return answers.found(store.user(pk))

    def put(self, request: Request, pk: int) -> Response:
        return answers.found(store.change(pk, **answers.new_user(request)))

    def delete(self, request: Request, pk: int) -> Response:
        return answers.deleted(store.delete(pk))


class External(APIView):
    def get(self, request: Request) -> Response:
        started = time.perf_counter()
        time.sleep(answers.EXTERNAL_SECONDS)
        return answers.external(started)


class Protected(APIView):
    authentication_classes = [BearerToken]
    permission_classes = [IsAuthenticated]

    def get(self, request: Request) -> Response:
        return answers.protected(request)


class Upload(APIView):
    parser_classes = [MultiPartParser]

    def post(self, request: Request) -> Response:
        return answers.upload(request)


class WarmUp(APIView):
    def post(self, request: Request) -> Response:
        return Response(cached.warm_up(answers.count(request)))


class Cached(APIView):
    def get(self, request: Request, pk: int, place: str) -> Response:
        return Response(cached.user(pk, place))


class Public(APIView):
    def get(self, request: Request) -> Response:
        return Response(answers.PUBLIC)


class LoginJwt(APIView):
    def post(self, request: Request) -> Response:
        return Response(tokens.issue(answers.user_id(request)))


class LoginSession(APIView):
    def post(self, request: Request) -> Response:
        return Response(tokens.open_session(answers.user_id(request)))


class ByJwt(APIView):
    authentication_classes = [JsonWebToken]
    permission_classes = [IsAuthenticated]

    def get(self, request: Request) -> Response:
        return Response(tokens.granted(request.user.id))


class ByJwtWithUser(ByJwt):
    def get(self, request: Request) -> Response:
        return Response(tokens.by_user(request.user.id))


class BySession(APIView):
    authentication_classes = [AnyToken]
    permission_classes = [IsAuthenticated]

    def get(self, request: Request) -> Response:
        return Response(tokens.by_session(request.auth))
