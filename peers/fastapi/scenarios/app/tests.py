"""What needs no Postgres: `python -m unittest tests`. With one, the lab's rules check the rest."""

import json
import unittest

import msgspec
from pydantic import BaseModel, ValidationError

import api_msgspec
import api_pragmatic
import api_strict
import models
from api_strict import schemas

ECHO = {"message": "é", "timestamp": 1704067200000, "data": {"items": [1, "2", None], "nested": {"k": {}}}}
USER = {"name": "Ana", "email": "ana@example.com"}


def routes(app):
    paths = app.openapi()["paths"]
    return {(path, method) for path, methods in paths.items() for method in methods}


class Apis(unittest.TestCase):
    def test_all_have_the_same_routes(self):
        pragmatic = routes(api_pragmatic.app)
        self.assertEqual(len(pragmatic), 10)
        for api in (api_strict, api_msgspec):
            self.assertEqual(routes(api.app), pragmatic, api.__name__)

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
