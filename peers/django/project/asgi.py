import asyncio
import os

from django.conf import settings
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

django = get_asgi_application()
# Django gives every request under way a thread of its own. Without a limit thousands would stand in line for
# a few connections and one interpreter, and each would make the others slower; here they wait as coroutines.
# nginx hands over whole requests, so no slow client holds a place.
at_once = asyncio.Semaphore(settings.REQUESTS_AT_ONCE)


async def application(scope, receive, send):
    async with at_once:
        await django(scope, receive, send)
