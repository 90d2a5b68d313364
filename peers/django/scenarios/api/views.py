"""REST framework's APIViews, for threads."""

import importlib
import time

from rest_framework.parsers import MultiPartParser
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

import environment

from . import answers
from .authentication import BearerToken

# The one that was chosen, and nothing of the other.
store = importlib.import_module(f"api.store_{environment.STORE}")


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
