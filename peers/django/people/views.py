"""The people API. Views are coroutines; what the ORM does for them runs on a thread of the request's own."""

from uuid import UUID

from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import View
from django.views.decorators.http import require_safe

from . import validation
from .models import Person

MOST_FOUND = 50


def _problem(status: int, error: str) -> JsonResponse:
    return JsonResponse({"error": error}, status=status)


class PeopleView(View):
    async def post(self, request: HttpRequest) -> HttpResponse:
        try:
            fields = validation.person(request.body)
        except validation.Malformed as error:
            return _problem(400, str(error))
        except validation.NotAcceptable as error:
            return _problem(422, str(error))
        try:
            person = await Person.objects.acreate(**fields)
        except IntegrityError:
            return _problem(422, "this apelido is taken")
        return HttpResponse(status=201, headers={"Location": f"/pessoas/{person.id}"})

    async def get(self, request: HttpRequest) -> HttpResponse:
        term = request.GET.get("t")
        if term is None:
            return _problem(400, "a search needs a term")
        # Postgres holds no NUL, so nobody has one; and it takes none in a parameter.
        if "\0" in term:
            return JsonResponse([], safe=False)
        found = Person.objects.matching(term).public()[:MOST_FOUND]
        return JsonResponse([person async for person in found], safe=False)


@require_safe
async def person(request: HttpRequest, person_id: UUID) -> HttpResponse:
    try:
        return JsonResponse(await Person.objects.public().aget(pk=person_id))
    except Person.DoesNotExist:
        return _problem(404, "there is no such person")


@require_safe
async def count(request: HttpRequest) -> HttpResponse:
    return HttpResponse(await Person.objects.acount(), content_type="text/plain")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _problem(404, "there is nothing here")


def failed(request: HttpRequest) -> HttpResponse:
    return _problem(500, "this server failed")
