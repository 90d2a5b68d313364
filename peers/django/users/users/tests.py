"""What is refused before Postgres is asked; SimpleTestCase forbids to ask it."""

from datetime import UTC, datetime
from uuid import UUID

from django.test import SimpleTestCase

from . import views

ID = "123e4567-e89b-12d3-a456-426614174000"


class Refusals(SimpleTestCase):
    def test_health_needs_no_database(self):
        answer = self.client.get("/healthz")
        self.assertEqual((answer.status_code, answer.json()), (200, {"status": "ok"}))

    def test_unknown_paths(self):
        answer = self.client.get("/nothing")
        self.assertEqual((answer.status_code, answer.json()), (404, {"error": "not_found"}))

    def test_what_is_no_uuid(self):
        for text in ("1", ID[:-1], ID[:-1] + "g", ID.replace("-", ""), "{" + ID + "}", "urn:uuid:" + ID):
            answer = self.client.get("/users/" + text)
            self.assertEqual(answer.status_code, 400, text)
            self.assertIsInstance(answer.json()["error"], str)

    def test_limits_and_offsets_that_are_not_allowed(self):
        for query in (
            "limit=0", "limit=201", "limit=-1", "limit=%2B1", "limit=+1", "limit=1.0", "limit=1_0", "limit=ten", "limit=",
            "limit=%D9%A1", "offset=-1", "offset=", "offset=x", "offset=9223372036854775808", "offset=" + "9" * 5000,
        ):  # fmt: skip
            answer = self.client.get("/users?" + query)
            self.assertEqual(answer.status_code, 400, query)
            self.assertIsInstance(answer.json()["error"], str)


class Rendering(SimpleTestCase):
    def test_a_moment_is_utc_without_an_empty_fraction(self):
        answer = views._json({"id": UUID(ID), "created_at": datetime(2026, 1, 31, 8, tzinfo=UTC)})
        self.assertEqual(answer.content, b'{"id":"' + ID.encode() + b'","created_at":"2026-01-31T08:00:00Z"}')
        self.assertEqual(answer["Content-Length"], str(len(answer.content)))
