"""What needs no Postgres, which SimpleTestCase forbids to ask; with one, the lab's rules check the rest. Both
interfaces have them: INTERFACE says which."""

from datetime import UTC, datetime, timedelta

import jwt
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import SimpleTestCase

import environment

ECHO = {"message": " é ", "timestamp": 1704067200000, "data": {"items": [1, "2", None], "nested": {"k": {}}}}
USER = {"name": "Ana", "email": "ana@example.com"}


class Answers(SimpleTestCase):
    def answer(self, status, method, path, body=None, **more):
        send = getattr(self.client, method)
        answer = send(path, body, "application/json", **more) if body is not None else send(path, **more)
        self.assertEqual(answer.status_code, status, answer.content)
        self.assertEqual(answer["Content-Length"], str(len(answer.content)))
        self.assertEqual(answer["Content-Type"], "application/json")
        return answer.json()

    def test_health(self):
        self.assertEqual(self.answer(200, "get", "/health"), {"status": "ok", "server": "django"})

    def test_echoes(self):
        self.assertEqual(
            self.answer(200, "post", "/echo", ECHO), {"message": ECHO["message"], "data": ECHO["data"]}
        )
        for name in ECHO:
            self.answer(400, "post", "/echo", {key: value for key, value in ECHO.items() if key != name})
        for timestamp in (True, None, [], {}):
            self.answer(400, "post", "/echo", {**ECHO, "timestamp": timestamp})
        self.answer(400, "post", "/echo", '{"message":')

    def test_users_who_are_refused(self):
        for email in (
            "",
            "ana",
            "@example.com",
            "ana@",
            "a na@example.com",
            "a" * 250 + "@example.com",
            None,
        ):
            self.answer(400, "post", "/users", {**USER, "email": email})
        for name in ("", "x" * 101, "a\0b", None):
            self.answer(400, "put", "/users/1", {**USER, "name": name})
        self.answer(400, "post", "/users", [USER])

    def test_ids_that_are_none(self):
        for text in ("abc", "-1", "1.0", "9" * 5000):
            self.answer(404, "get", "/users/" + text)

    def test_another_service_takes_its_time(self):
        self.assertGreaterEqual(self.answer(200, "get", "/external")["latency_ms"], 99)

    def test_tokens(self):
        def headers(authorization):
            return {"authorization": authorization, "x-request-id": "one"}

        granted = {"message": "Access granted", "user": "bearer"}
        for good in ("Bearer 0123456789", "bearer 0123456789abc"):
            self.assertEqual(self.answer(200, "get", "/protected", headers=headers(good)), granted)
        for bad in ("", "Bearer", "Bearer 012345678", "Basic 0123456789"):
            self.answer(401, "get", "/protected", headers=headers(bad))

    def test_json_web_tokens(self):
        def asked(status, token):
            headers = {"authorization": f"Bearer {token}"}
            return self.answer(status, "get", "/auth/protected/jwt", headers=headers)

        def signed(claims, key=environment.JWT_SECRET, algorithm="HS256"):
            return jwt.encode(claims, key, algorithm)

        hour, ago = datetime.now(UTC) + timedelta(hours=1), datetime.now(UTC) - timedelta(seconds=1)
        good = signed({"sub": "7", "exp": hour})
        self.assertEqual(asked(200, good), {"user_id": 7, "message": "Access granted"})
        head, claims, signature = good.split(".")
        other = signed({"sub": "8", "exp": hour}).split(".")[1]
        for token in (
            "",
            "7",
            f"{head}.{claims}.",
            f"{head}.{other}.{signature}",
            signed({"sub": "7", "exp": hour}, None, "none"),
            signed({"sub": "7", "exp": hour}, "x" * 32),
            signed({"sub": "7", "exp": ago}),
            signed({"sub": "-7", "exp": hour}),
            signed({"sub": "7"}),
        ):
            asked(401, token)
        self.assertEqual(self.answer(200, "get", "/auth/public"), {"message": "public"})
        for path in ("/auth/protected/jwt", "/auth/protected/jwt-user", "/auth/protected/session"):
            self.answer(401, "get", path)

    def test_queries_that_are_refused(self):
        for path in ("/auth/login/jwt", "/auth/login/session?user_id=-1", "/auth/login/jwt?user_id=x"):
            self.answer(400, "post", path)
        for count in ("0", "10001", "x", "9" * 5000):
            self.answer(400, "post", f"/cache/warmup?count={count}")

    def test_without_redis_there_is_no_such_cache(self):
        for place in ("redis", "cached", "other"):
            self.answer(404, "get", f"/cache/users/1/{place}")

    def test_uploads(self):
        file = SimpleUploadedFile("é.bin", b"12345", "application/x-one")
        answer = self.client.post("/upload", {"file": file})
        self.assertEqual(answer.json(), {"filename": "é.bin", "size": 5, "content_type": "application/x-one"})
        self.assertEqual(self.client.post("/upload", {"file": "12345"}).status_code, 400)

    def test_bodies_have_a_bound(self):
        self.answer(413, "post", "/echo", "x" * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1))
        file = SimpleUploadedFile("a", b"x" * settings.FORM_BYTES, "text/plain")
        self.assertEqual(self.client.post("/upload", {"file": file}).status_code, 413)
