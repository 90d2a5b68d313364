"""What needs no Postgres, of Flask and of Quart alike: `python -m unittest tests`. With one, the lab's rules
check the rest."""

import asyncio
import io
import unittest
from datetime import UTC, datetime, timedelta

import jwt
from quart.datastructures import FileStorage

import flask_app
import kept
import quart_app
import settings
import tokens

ECHO = {"message": " é ", "timestamp": 1704067200000, "data": {"items": [1, "2", None], "nested": {"k": {}}}}
USER = {"name": "Ana", "email": "ana@example.com"}


class OfFlask(unittest.TestCase):
    server = "flask"

    def ask(self, method, path, **more):
        """Status and body."""
        answer = flask_app.app.test_client().open(path, method=method, **more)
        return answer.status_code, answer.get_json(silent=True)

    def upload(self, content):
        file = (io.BytesIO(content), "é.bin", "application/x-one")
        return self.ask("POST", "/upload", data={"file": file})

    def test_health(self):
        self.assertEqual(self.ask("GET", "/health"), (200, {"status": "ok", "server": self.server}))

    def test_echoes(self):
        same = {"message": ECHO["message"], "data": ECHO["data"]}
        self.assertEqual(self.ask("POST", "/echo", json=ECHO), (200, same))
        for name in ECHO:
            less = {key: value for key, value in ECHO.items() if key != name}
            self.assertEqual(self.ask("POST", "/echo", json=less)[0], 422, name)
            self.assertEqual(self.ask("POST", "/echo", json={**ECHO, name: None})[0], 422, name)
        cut = {"data": '{"message":', "headers": {"content-type": "application/json"}}
        self.assertEqual(self.ask("POST", "/echo", **cut)[0], 400)

    def test_users_who_are_refused(self):
        for email in (
            "",
            "ana",
            "@example.com",
            "ana@",
            "a na@b",
            "a@b@c",
            "a@b\n",
            "a\0@b",
            "a" * 254 + "@b",
        ):
            self.assertEqual(self.ask("POST", "/users", json={**USER, "email": email})[0], 422, email)
        for name in ("", "x" * 101, "a\0b", 1, None):
            self.assertEqual(self.ask("PUT", "/users/1", json={**USER, "name": name})[0], 422, name)
        self.assertEqual(self.ask("POST", "/users", json=[USER])[0], 422)

    def test_ids_that_are_none(self):
        for text in ("abc", "-1", "1.0", str(2**63)):
            status, body = self.ask("GET", "/users/" + text)
            self.assertEqual((status, list(body)), (404, ["error"]), text)

    def test_another_service_takes_its_time(self):
        status, body = self.ask("GET", "/external")
        self.assertEqual(status, 200)
        self.assertGreaterEqual(body["latency_ms"], 99)

    def test_tokens(self):
        granted = {"message": "Access granted", "user": "bearer"}
        for good in ("Bearer 0123456789", "bearer 0123456789abc"):
            headers = {"authorization": good, "x-request-id": "one"}
            self.assertEqual(self.ask("GET", "/protected", headers=headers), (200, granted))
        for bad in ("", "Bearer", "Bearer 012345678", "Basic 0123456789"):
            self.assertEqual(self.ask("GET", "/protected", headers={"authorization": bad})[0], 401, bad)

    def test_json_web_tokens(self):
        def asked(token):
            return self.ask("GET", "/auth/protected/jwt", headers={"authorization": f"Bearer {token}"})

        self.assertEqual(asked(tokens.issued(7)), (200, {"user_id": 7, "message": "Access granted"}))
        head, claims, _ = tokens.issued(7).split(".")
        hour, ago = datetime.now(UTC) + timedelta(hours=1), datetime.now(UTC) - timedelta(seconds=1)
        for token in (
            "",
            "7",
            f"{head}.{claims}.",
            f"{head}.{tokens.issued(8).split('.')[1]}.{tokens.issued(7).split('.')[2]}",
            jwt.encode({"sub": "7", "exp": hour}, None, "none"),
            jwt.encode({"sub": "7", "exp": hour}, "x" * 32, "HS256"),
            jwt.encode({"sub": "7", "exp": ago}, settings.JWT_SECRET, "HS256"),
            jwt.encode({"sub": "-7", "exp": hour}, settings.JWT_SECRET, "HS256"),
            jwt.encode({"sub": "7"}, settings.JWT_SECRET, "HS256"),
        ):
            self.assertEqual(asked(token)[0], 401, token)
        self.assertEqual(self.ask("GET", "/auth/public"), (200, {"message": "public"}))
        for path in ("/auth/protected/jwt", "/auth/protected/jwt-user", "/auth/protected/session"):
            self.assertEqual(self.ask("GET", path)[0], 401, path)

    def test_queries_that_are_refused(self):
        for path in ("/auth/login/jwt", "/auth/login/session?user_id=-1", "/auth/login/jwt?user_id=x"):
            self.assertEqual(self.ask("POST", path)[0], 422, path)
        for count in ("0", "10001", "x", "9" * 30):
            self.assertEqual(self.ask("POST", f"/cache/warmup?count={count}")[0], 422, count)

    def test_without_redis_there_is_no_such_cache(self):
        for name in ("redis", "cached", "other"):
            self.assertEqual(self.ask("GET", f"/cache/users/1/{name}")[0], 404, name)

    def test_uploads(self):
        of_file = {"filename": "é.bin", "size": 5, "content_type": "application/x-one"}
        self.assertEqual(self.upload(b"12345"), (200, of_file))
        self.assertEqual(self.upload(b"x" * settings.BODY_BYTES)[0], 413)


class OfQuart(OfFlask):
    server = "quart"

    def ask(self, method, path, **more):
        async def answered():
            answer = await quart_app.app.test_client().open(path, method=method, **more)
            return answer.status_code, await answer.get_json(silent=True)

        return asyncio.run(answered())

    def upload(self, content):
        file = FileStorage(io.BytesIO(content), filename="é.bin", content_type="application/x-one")
        return self.ask("POST", "/upload", files={"file": file})


class InProcess(unittest.TestCase):
    def test_what_is_put_is_found(self):
        users = kept.InProcess()
        self.assertIsNone(users.get(1))
        users.put([{"id": 1, "name": "Ana"}])
        self.assertEqual(users.get(1), {"id": 1, "name": "Ana"})
