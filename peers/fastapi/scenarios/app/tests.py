"""What needs no Postgres: `python -m unittest tests`. With one, the lab's rules check the rest."""

import asyncio
import base64
import json
import unittest
from datetime import UTC, datetime, timedelta

import jwt
import msgspec
from pydantic import BaseModel, ValidationError

import api_msgspec
import api_pragmatic
import api_strict
import caches
import models
import settings
from advanced import search, tokens
from api_strict import schemas
from limit import Limit

ECHO = {"message": "é", "timestamp": 1704067200000, "data": {"items": [1, "2", None], "nested": {"k": {}}}}
USER = {"name": "Ana", "email": "ana@example.com"}


def routes(app):
    paths = app.openapi()["paths"]
    return {(path, method) for path, methods in paths.items() for method in methods}


class Apis(unittest.TestCase):
    def test_all_have_the_same_routes_and_one_has_more(self):
        basic = routes(api_strict.app)
        self.assertEqual(len(basic), 10)
        self.assertEqual(routes(api_msgspec.app), basic)
        more = routes(api_pragmatic.app) - basic
        self.assertEqual(routes(api_pragmatic.app) - more, basic)
        self.assertEqual(len(more), 32)

    def test_a_user_has_no_page_for_an_id(self):
        paths = list(api_pragmatic.app.openapi()["paths"])
        for path in ("/users/offset", "/users/cursor"):
            self.assertLess(paths.index(path), paths.index("/users/{user_id}"))

    def takes(self, kind, body):
        """Whether it does; what is read must be what was sent."""
        try:
            if issubclass(kind, BaseModel):
                # As FastAPI does it: what has been read from JSON already.
                self.assertEqual(kind.model_validate(body).model_dump(), body)
            else:
                read = msgspec.json.decode(json.dumps(body), type=kind)
                self.assertEqual(msgspec.to_builtins(read), body)
        except (ValidationError, msgspec.ValidationError):
            return False
        return True

    def test_echoes(self):
        for kind in (models.EchoRequest, schemas.EchoRequest, api_msgspec.EchoRequest):
            self.assertTrue(self.takes(kind, ECHO))
            for name in ECHO:
                less = {key: value for key, value in ECHO.items() if key != name}
                self.assertFalse(self.takes(kind, less), (kind, name))
                self.assertFalse(self.takes(kind, {**ECHO, name: None}), (kind, name))
            self.assertFalse(self.takes(kind, {**ECHO, "data": {"items": {}, "nested": {}}}), kind)

    def test_users(self):
        for kind in (models.UserIn, schemas.UserRequest, api_msgspec.UserIn):
            for good in (USER, {**USER, "name": "é" * 100}, {**USER, "name": "a\nb"}):
                self.assertTrue(self.takes(kind, good), (kind, good))
            for email in (
                "",
                "ana",
                "@example.com",
                "ana@",
                "a na@example.com",
                "a@b@c",
                "a@b\n",
                "a\0@b",
                "a" * 254 + "@b",
            ):
                self.assertFalse(self.takes(kind, {**USER, "email": email}), (kind, email))
            for name in ("", "x" * 101, "a\0b", 1, None):
                self.assertFalse(self.takes(kind, {**USER, "name": name}), (kind, name))

    def test_strict_takes_no_field_that_it_does_not_know(self):
        self.assertTrue(self.takes(schemas.UserRequest, USER))
        self.assertFalse(self.takes(schemas.UserRequest, {**USER, "admin": True}))


class Tokens(unittest.TestCase):
    def signed(self, key=settings.JWT_SECRET, algorithm="HS256", **claims):
        hour = datetime.now(UTC) + timedelta(hours=1)
        return jwt.encode({"sub": "7", "exp": hour, **claims}, key, algorithm)

    def test_a_token_is_of_the_user_that_it_was_issued_to(self):
        self.assertEqual(tokens.subject(tokens.issued(7)), 7)
        self.assertEqual(tokens.subject(self.signed()), 7)

    def test_no_other_token_is_of_anybody(self):
        head, claims, signature = self.signed().split(".")
        forged = base64.urlsafe_b64encode(b'{"sub":"8","exp":99999999999}').decode().rstrip("=")
        for token in (
            f"{head}.{forged}.{signature}",
            f"{head}.{claims}.",
            self.signed(key=None, algorithm="none"),
            self.signed(key="x" * 32),
            self.signed(algorithm="HS512"),
            self.signed(exp=datetime.now(UTC) - timedelta(seconds=1)),
            self.signed(sub="-7"),
            self.signed(sub="9" * 30),
            jwt.encode({"sub": "7"}, settings.JWT_SECRET, "HS256"),
            jwt.encode({"exp": 99999999999}, settings.JWT_SECRET, "HS256"),
            "7",
            "",
        ):
            self.assertIsNone(tokens.subject(token), token)


class Caches(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        self.cache = caches.Cache(caches.InProcess())
        self.name = "Ana"
        self.reads = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def read(self, user_id):
        """What is stored when it is asked, some time later."""
        self.reads += 1
        user = models.User(id=user_id, name=self.name, email="a@b", created_at=datetime.now(UTC))
        await self.may_answer.wait()
        return user

    async def found(self, user_id=1):
        user, was_kept = await self.cache.get(user_id, self.read)
        return user.name, was_kept

    async def test_a_hundred_at_once_read_a_cold_user_once(self):
        found = await asyncio.gather(*(self.found() for _ in range(100)))
        self.assertEqual((self.reads, found.count(("Ana", False)), found.count(("Ana", True))), (1, 1, 99))

    async def test_nobody_is_not_kept(self):
        async def nobody(_user_id):
            self.reads += 1

        for _ in range(2):
            self.assertEqual(await self.cache.get(1, nobody), (None, False))
        self.assertEqual(self.reads, 2)

    async def test_a_read_that_ends_late_leaves_nothing_old(self):
        self.may_answer.clear()
        late = asyncio.create_task(self.found())
        while not self.reads:
            await asyncio.sleep(0)
        self.name = "Eva"
        change = asyncio.create_task(self.cache.remove(1))
        await asyncio.sleep(0)
        self.assertFalse(change.done())
        self.may_answer.set()
        await change
        self.assertEqual(await late, ("Ana", False))
        self.assertEqual(await self.found(), ("Eva", False))

    async def test_a_warm_up_that_ends_late_leaves_nothing_old(self):
        async with self.cache.warming() as put:
            users = [await self.read(1)]
            self.name = "Eva"
            change = asyncio.create_task(self.cache.remove(1))
            await asyncio.sleep(0)
            await put(users)
            self.assertEqual(await self.found(), ("Ana", True))
        await change
        self.assertEqual(await self.found(), ("Eva", False))


class Searches(unittest.TestCase):
    def test_wildcards_are_themselves(self):
        self.assertEqual(search.pattern("50%_\\"), "%50\\%\\_\\\\%")


class Limits(unittest.IsolatedAsyncioTestCase):
    async def test_who_comes_past_the_limit_is_told_when_to_come_again(self):
        entered, may_answer = asyncio.Event(), asyncio.Event()

        async def app(_scope, _receive, send):
            entered.set()
            await may_answer.wait()
            await send({"type": "http.response.start", "status": 200, "headers": []})

        async def ask():
            sent = []

            async def send(message):
                sent.append(message)

            await limited({"type": "http"}, None, send)
            return sent[0]["status"], dict(sent[0]["headers"]).get(b"retry-after")

        limited = Limit(app, most=1)
        first = asyncio.create_task(ask())
        await entered.wait()
        self.assertEqual(await ask(), (503, b"1"))
        may_answer.set()
        self.assertEqual(await first, (200, None))
        self.assertEqual(await ask(), (200, None))
