"""What needs no Postgres: `python -m unittest tests`. With one, the lab's rules check the rest."""

import asyncio
import os
import time
import unittest

SECRET = "a secret that is good for tests and for nothing else"
os.environ.setdefault("JWT_SECRET", SECRET)
# The least that bcrypt has: the tests are not about its time.
os.environ["BCRYPT_COST"] = "4"

import jwt  # noqa: E402
from fastapi.exceptions import RequestValidationError  # noqa: E402
from pydantic import ValidationError  # noqa: E402

import measured  # noqa: E402
import security  # noqa: E402
import settings  # noqa: E402
from accounts import read_login  # noqa: E402
from main import api, without_slash  # noqa: E402
from refusals import Refused, field_of  # noqa: E402
from schemas import NewAccount, NewOrder, NewProduct, ProductChange, StockChange  # noqa: E402

ACCOUNT = {"email": "ana@example.com", "password": "correct horse", "full_name": "Ana"}
PRODUCT = {"name": "Tea", "price": 4.5, "sku": "TEA-1"}


class Forms(unittest.TestCase):
    def refused(self, model, good, **changed):
        with self.assertRaises(ValidationError, msg=changed):
            model.model_validate({**good, **changed})

    def test_accounts(self):
        for password in ("12345678", "ë" * 8, "ë" * 36, "x" * 72):
            NewAccount.model_validate({**ACCOUNT, "password": password})
        for password in ("1234567", "ë" * 37, "x" * 73, "12345678\0", 12345678, None):
            self.refused(NewAccount, ACCOUNT, password=password)
        for email in ("a@b.c", "Ana.B+tag@Example.com", "zoë@münchen.example", "o'hara@x-y.example"):
            NewAccount.model_validate({**ACCOUNT, "email": email})
        for email in (
            "",
            "a",
            "@b.c",
            "a@",
            "a@b",
            "a@b.",
            "a@.c",
            "a@b..c",
            "a@b@c.d",
            "a b@c.d",
            "a@b.c\n",
            "a\0@b.c",
        ):
            self.refused(NewAccount, ACCOUNT, email=email)
        for name in ("", " ", "a\0b", "x" * 256, None):
            self.refused(NewAccount, ACCOUNT, full_name=name)

    def test_prices_are_numbers_with_two_decimals(self):
        for price, text in (
            (0, "0"),
            (12, "12"),
            (10.1, "10.1"),
            (0.07, "0.07"),
            (9999999999.99, "9999999999.99"),
        ):
            product = NewProduct.model_validate({**PRODUCT, "price": price})
            self.assertEqual(str(product.price), text)
        for price in (
            -0.01,
            0.001,
            10.005,
            10_000_000_000,
            1e300,
            float("nan"),
            float("inf"),
            "4.5",
            True,
            None,
        ):
            self.refused(NewProduct, PRODUCT, price=price)

    def test_a_change_has_what_was_sent(self):
        self.assertEqual(ProductChange.model_validate({}).model_dump(exclude_unset=True), {})
        change = ProductChange.model_validate({"description": None, "name": "Cup"})
        self.assertEqual(change.model_dump(exclude_unset=True), {"description": None, "name": "Cup"})
        for member in ("name", "price", "sku"):
            self.refused(ProductChange, {}, **{member: None})

    def test_quantities(self):
        StockChange.model_validate({"product_id": 1, "quantity": 2**31 - 1})
        for quantity in (0, -1, 1.5, "1", True, None, 2**31):
            self.refused(StockChange, {"product_id": 1}, quantity=quantity)

    def test_an_order_wants_each_product_once_in_the_order_of_ids(self):
        items = [(7, 1), (3, 2), (7, 4)]
        order = NewOrder.model_validate({"items": [{"product_id": p, "quantity": q} for p, q in items]})
        self.assertEqual(list(order.wanted().items()), [(3, 2), (7, 5)])
        line = {"product_id": 1, "quantity": 1}
        NewOrder.model_validate({"status": "pending", "items": [{**line, "unit_price": 33.33}] * 100})
        for bad in ({"items": []}, {"items": [line] * 101}, {"items": [line], "status": "shipped"}, {}):
            self.refused(NewOrder, {}, **bad)

    def test_what_is_to_blame_is_named(self):
        self.assertEqual(field_of(("body", "items", 0, "quantity")), "items[0].quantity")
        self.assertEqual(field_of(("query", "limit")), "limit")
        self.assertEqual(field_of(("body",)), "")


class Logins(unittest.TestCase):
    def test_a_form_and_json_are_the_same(self):
        form = read_login(b"username=a%40b.c&password=+x%2B")
        self.assertEqual((form.username, form.password), ("a@b.c", " x+"))
        self.assertEqual(read_login(b' {"username":"a@b.c","password":" x+"}'), form)

    def test_what_is_neither(self):
        for body in (b"{", b"username=\xff"):
            with self.assertRaises(Refused) as refused:
                read_login(body)
            self.assertEqual(refused.exception.status_code, 400)
        for body in (b"", b"username=a", b'{"username":1,"password":"x"}', b"username=a%00b&password=x"):
            with self.assertRaises(RequestValidationError, msg=body):
                read_login(body)


class Tokens(unittest.TestCase):
    def test_ours_are_good(self):
        self.assertEqual(security.user_of(security.token_of(7)), 7)

    def test_others_are_not(self):
        soon = int(time.time()) + 60
        good = {"sub": "7", "exp": soon}
        secret = settings.JWT_SECRET
        self.assertEqual(security.user_of(jwt.encode(good, secret, "HS256")), 7)
        bad = [
            jwt.encode(good, "x" * 40, "HS256"),
            jwt.encode(good, secret.ljust(64), "HS512"),
            jwt.encode(good, None, "none"),
            jwt.encode({"sub": "7"}, secret, "HS256"),
            jwt.encode({"exp": soon}, secret, "HS256"),
            jwt.encode({**good, "exp": soon - 120}, secret, "HS256"),
            "a.b.c",
            "",
        ]
        bad += [
            jwt.encode({**good, "sub": sub}, secret, "HS256")
            for sub in ("", "x", "-1", "0", "9" * 19, "9" * 6000)
        ]
        for token in bad:
            self.assertIsNone(security.user_of(token), token[:80])

    def test_passwords(self):
        async def compared():
            hashed = await security.hash_of("correct horse")
            self.assertTrue(hashed.startswith("$2b$04$"))
            return [
                await security.is_password("correct horse", hashed),
                await security.is_password("another horse", hashed),
                await security.is_password("nobody's password", None),
            ]

        self.assertEqual(asyncio.run(compared()), [True, False, False])


class Routes(unittest.TestCase):
    def asked(self, method, path, headers=(), app=without_slash(api)):
        """Status, headers and body of an answer that needs no Postgres."""
        sent = []

        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            sent.append(message)

        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [*headers],
        }
        asyncio.run(app(scope, receive, send))
        return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]

    def test_health_with_and_without_a_slash(self):
        for path in ("/healthz", "/healthz/"):
            status, _, body = self.asked("GET", path)
            self.assertEqual((status, body), (200, b'{"status":"ok"}'))

    def test_no_answer_without_a_token(self):
        for method, path in (
            ("GET", "/products"), ("GET", "/products/1/"), ("DELETE", "/products/1"), ("GET", "/inventory"),
            ("GET", "/orders/"), ("GET", "/orders/1"),
        ):  # fmt: skip
            for headers in ([], [(b"authorization", b"Basic eDp5")], [(b"authorization", b"Bearer x")]):
                status, answered, body = self.asked(method, "/api/v1" + path, headers)
                self.assertEqual((status, answered[b"www-authenticate"]), (401, b"Bearer"), path)
                self.assertIn(b'"error":', body)

    def test_unknown_paths(self):
        status, _, body = self.asked("GET", "/nothing")
        self.assertEqual((status, body), (404, b'{"error":"Not Found"}'))

    def test_metrics_have_templates_for_paths_and_nothing_a_client_makes_up(self):
        app = measured.measured(without_slash(api))
        for method, path in (("GET", "/api/v1/products/7/"), ("GET", "/x/y"), ("BREW", "/healthz/")):
            self.asked(method, path, app=app)
        status, headers, body = self.asked("GET", "/metrics", app=app)
        self.assertEqual((status, headers[b"content-length"]), (200, str(len(body)).encode()))
        self.assertIn(b"text/plain", headers[b"content-type"])
        for sample in (
            'app_request_count_total{endpoint="/api/v1/products/{id}",http_status="401",method="GET"} 1.0',
            'app_request_count_total{endpoint="other",http_status="404",method="GET"} 1.0',
            'app_request_count_total{endpoint="/healthz",http_status="405",method="other"} 1.0',
            'app_db_connections{state="used"} 0.0',
            "app_concurrent_requests 0.0",
        ):
            self.assertIn(sample.encode(), body)
        for name in (b"process_cpu_seconds_total", b"app_gc_objects{", b"app_uptime_seconds "):
            self.assertIn(name, body)
        for made_up in (b"/x/y", b"BREW", b"/metrics"):
            self.assertNotIn(made_up, body)

    def test_operations_are_verbs(self):
        statements = ("\n SELECT 1", "INSERT INTO a", "update a", "DELETE FROM a", "WITH a AS", "")
        verbs = ["select", "insert", "update", "delete", "other", "other"]
        self.assertEqual([measured.operation_of(statement) for statement in statements], verbs)
