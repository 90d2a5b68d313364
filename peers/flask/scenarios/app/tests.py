"""What needs no Postgres, of Flask and of Quart alike: `python -m unittest tests`. With one, the lab's rules
check the rest."""

import asyncio
import io
import unittest

from quart.datastructures import FileStorage

import flask_app
import quart_app
import settings

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
