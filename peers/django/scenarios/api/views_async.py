"""The same APIViews as coroutines, by adrf: REST framework's own are for threads alone. The ORM is, too, so
what asks Postgres runs on the request's thread, as in the ORM's methods that begin with `a`."""

import asyncio
import time

from adrf.views import APIView
from asgiref.sync import sync_to_async
from rest_framework.parsers import MultiPartParser
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from . import answers, cached, tokens
from .authentication import AnyToken, BearerToken, JsonWebToken
from .chosen import store


class Health(APIView):
    async def get(self, request: Request) -> Response:
        return Response(answers.HEALTH)


class Echo(APIView):
    async def post(self, request: Request) -> Response:
        return answers.echo(request)


class Users(APIView):
    async def get(self, request: Request) -> Response:
        return Response(await sync_to_async(store.users)())

    async def post(self, request: Request) -> Response:
        return Response(await sync_to_async(store.create)(**answers.new_user(request)), 201)


class User(APIView):
    async def get(self, request: Request, pk: int) -> Response:
        return answers.found(await sync_to_async(store.user)(pk))

    async def put(self, request: Request, pk: int) -> Response:
        return answers.found(await sync_to_async(store.change)(pk, **answers.new_user(request)))

    async def delete(self, request: Request, pk: int) -> Response:
        return answers.deleted(await sync_to_async(store.delete)(pk))


class External(APIView):
    async def get(self, request: Request) -> Response:
        started = time.perf_counter()
        await asyncio.sleep(answers.EXTERNAL_SECONDS)
        return answers.external(started)


class Protected(APIView):
    authentication_classes = [BearerToken]
    permission_classes = [IsAuthenticated]

    async def get(self, request: Request) -> Response:
        return answers.protected(request)


class Upload(APIView):
    parser_classes = [MultiPartParser]

    async def post(self, request: Request) -> Response:
        return answers.upload(request)


class WarmUp(APIView):
    async def post(self, request: Request) -> Response:
        return Response(await sync_to_async(cached.warm_up)(answers.count(request)))


class Cached(APIView):
    async def get(self, request: Request, pk: int, place: str) -> Response:
        return Response(await sync_to_async(cached.user)(pk, place))


class Public(APIView):
    async def get(self, request: Request) -> Response:
        return Response(answers.PUBLIC)


class LoginJwt(APIView):
    async def post(self, request: Request) -> Response:
        return Response(await sync_to_async(tokens.issue)(answers.user_id(request)))


class LoginSession(APIView):
    async def post(self, request: Request) -> Response:
        return Response(await sync_to_async(tokens.open_session)(answers.user_id(request)))


class ByJwt(APIView):
    authentication_classes = [JsonWebToken]
    permission_classes = [IsAuthenticated]

    async def get(self, request: Request) -> Response:
        return Response(tokens.granted(request.user.id))


class ByJwtWithUser(ByJwt):
    async def get(self, request: Request) -> Response:
        return Response(await sync_to_async(tokens.by_user)(request.user.id))


class BySession(APIView):
    authentication_classes = [AnyToken]
    permission_classes = [IsAuthenticated]

    async def get(self, request: Request) -> Response:
        return Response(await sync_to_async(tokens.by_session)(request.auth))
