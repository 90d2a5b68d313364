"""What is refused before Postgres is asked; SimpleTestCase forbids to ask it. The lab checks the rest."""

import time
from decimal import Decimal

import environment
import jwt
from django.contrib.auth.hashers import check_password, make_password
from django.test import SimpleTestCase

from . import api, tokens, validation

ACCOUNT = {"email": "ana@example.com", "password": "correct horse", "full_name": "Ana"}
PRODUCT = {"name": "Tea", "price": 4.5, "sku": "TEA-1"}
LINE = {"product_id": 1, "quantity": 1}
API = "/api/v1"


def body(members) -> bytes:
    return api.json(members).content


class Forms(SimpleTestCase):
    def refused(self, check, members, field):
        with self.assertRaises(api.Refused, msg=members) as refused:
            check(body(members))
        self.assertEqual((refused.exception.status, refused.exception.field), (422, field), members)

    def test_accounts(self):
        for password in ("12345678", "ë" * 8, "ë" * 36, "x" * 72):
            self.assertEqual(validation.account(body(ACCOUNT | {"password": password}))["password"], password)
        for password in ("1234567", "ë" * 37, "x" * 73, "12345678\0", 12345678, None):
            self.refused(validation.account, ACCOUNT | {"password": password}, "password")
        for email in ("a@b.c", "Ana.B+tag@Example.com", "zoë@münchen.example", "o'hara@x-y.example"):
            validation.account(body(ACCOUNT | {"email": email}))
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
            None,
        ):
            self.refused(validation.account, ACCOUNT | {"email": email}, "email")
        for name in ("", " ", "a\0b", "x" * 256, 5):
            self.refused(validation.account, ACCOUNT | {"full_name": name}, "full_name")

    def test_prices_are_numbers_with_two_decimals(self):
        prices = ((0, "0"), (12, "12"), (10.1, "10.1"), (0.07, "0.07"), (9999999999.99, "9999999999.99"))
        for price, text in prices:
            self.assertEqual(validation.product(body(PRODUCT | {"price": price}))["price"], Decimal(text))
        for price in (-0.01, 0.001, 10.005, 10_000_000_000, 1e300, "4.5", True, None):
            self.refused(validation.product, PRODUCT | {"price": price}, "price")

    def test_a_change_has_what_was_sent(self):
        self.assertEqual(validation.product_change(b"{}"), {})
        change = {"description": None, "name": "Cup"}
        self.assertEqual(validation.product_change(body(change)), change)
        for field in ("name", "price", "sku"):
            self.refused(validation.product_change, {field: None}, field)

    def test_quantities(self):
        self.assertEqual(validation.stock_change(body(LINE | {"quantity": 2**31 - 1})), (1, 2**31 - 1))
        for quantity in (0, -1, 1.5, "1", True, None, 2**31):
            self.refused(validation.stock_change, LINE | {"quantity": quantity}, "quantity")

    def test_an_order_wants_each_product_once_in_the_order_of_ids(self):
        items = [{"product_id": p, "quantity": q, "unit_price": 33.33} for p, q in ((7, 1), (3, 2), (7, 4))]
        wanted = validation.order(body({"status": "pending", "items": items}))
        self.assertEqual(list(wanted.items()), [(3, 2), (7, 5)])
        for members, field in (
            ({}, "items"),
            ({"items": []}, "items"),
            ({"items": [LINE] * 101}, "items"),
            ({"items": [LINE, 1]}, "items[1]"),
            ({"items": [LINE, LINE | {"quantity": 0}]}, "items[1].quantity"),
            ({"items": [LINE], "status": "shipped"}, "status"),
        ):
            self.refused(validation.order, members, field)

    def test_what_is_no_json(self):
        for text in (b"", b"{", b"NaN", b'{"a":"\xff"}', b"[" * 5000):
            with self.assertRaises(api.Refused, msg=text[:9]) as refused:
                validation.product(text)
            self.assertEqual(refused.exception.status, 400)
        self.refused(validation.product, [], None)

    def test_a_login_is_a_form_or_json(self):
        expected = ("a@b.c", " x+")
        self.assertEqual(validation.login(b"username=a%40b.c&password=+x%2B"), expected)
        self.assertEqual(validation.login(b' {"username":"a@b.c","password":" x+"}'), expected)
        for text, status in ((b"{", 400), (b"username=\xff", 400), (b"", 422), (b"username=a", 422)):
            with self.assertRaises(api.Refused, msg=text) as refused:
                validation.login(text)
            self.assertEqual(refused.exception.status, status)


class Tokens(SimpleTestCase):
    def test_ours_are_good(self):
        self.assertEqual(tokens.user_of(tokens.token_of(7)), 7)

    def test_others_are_not(self):
        soon, secret = int(time.time()) + 60, environment.JWT_SECRET
        good = {"sub": "7", "exp": soon}
        self.assertEqual(tokens.user_of(jwt.encode(good, secret, "HS256")), 7)
        bad = [
            jwt.encode(good, "x" * 40, "HS256"),
            jwt.encode(good, secret.ljust(64), "HS512"),
            jwt.encode(good, None, "none"),
            jwt.encode({"sub": "7"}, secret, "HS256"),
            jwt.encode({"exp": soon}, secret, "HS256"),
            jwt.encode(good | {"exp": soon - 120}, secret, "HS256"),
            "a.b.c",
            "",
        ]
        bad += [jwt.encode(good | {"sub": sub}, secret, "HS256") for sub in ("", "x", "-1", "0", "9" * 19)]
        for token in bad:
            self.assertIsNone(tokens.user_of(token), token[:80])

    def test_passwords_are_hashed_with_bcrypt(self):
        hashed = make_password("correct horse")
        self.assertIn("$2b$", hashed)
        self.assertTrue(check_password("correct horse", hashed))
        self.assertFalse(check_password("another horse", hashed))


class Routes(SimpleTestCase):
    def asked(self, method, path, **more):
        answer = self.client.generic(method, path, content_type="application/json", **more)
        self.assertEqual(answer["Content-Length"], str(len(answer.content)), path)
        return answer.status_code, answer

    def test_health_with_and_without_a_slash(self):
        for path in ("/healthz", "/healthz/"):
            status, answer = self.asked("GET", path)
            self.assertEqual((status, answer.json()), (200, {"status": "ok"}))

    def test_no_answer_without_a_token(self):
        paths = (
            "/products",
            "/products/1/",
            "/inventory",
            "/inventory/add",
            "/inventory/remove/",
            "/orders",
            "/orders/1",
        )
        for path in paths:
            for authorization in ("", "Basic eDp5", "Bearer x", "Bearer"):
                for method in ("GET", "POST", "PUT", "DELETE"):
                    status, answer = self.asked(method, API + path, headers={"authorization": authorization})
                    self.assertEqual((status, answer["WWW-Authenticate"]), (401, "Bearer"), path)
                    self.assertIsInstance(answer.json()["error"], str)

    def test_pages_and_ids_that_are_not_allowed(self):
        caller = {"authorization": "Bearer " + tokens.token_of(1)}
        queries = ["limit=0", "limit=101", "limit=%2B1", "limit=1.0", "limit=1_0", "limit=", "limit=%D9%A1"]
        queries += ["skip=-1", "skip=9223372036854775808", "after=x", "skip=" + "9" * 5000]
        paths = [f"/{page}?{query}" for page in ("products", "inventory", "orders") for query in queries]
        paths += [
            f"/{of}/{id}"
            for of in ("products", "orders")
            for id in ("0", "-1", "x", "1.0", "9" * 19, "9" * 30)
        ]
        for path in paths:
            status, answer = self.asked("GET", API + path, headers=caller)
            self.assertEqual(status, 422, path)
            self.assertIsInstance(answer.json()["error"], str)

    def test_a_body_that_is_too_large(self):
        status, answer = self.asked("POST", API + "/auth/register", data=b" " * 65_537)
        self.assertEqual((status, answer.json()), (413, {"error": "the body is too large"}))

    def test_unknown_paths_and_methods(self):
        status, answer = self.asked("GET", "/nothing")
        self.assertEqual((status, answer.json()), (404, {"error": "there is nothing here"}))
        status, answer = self.asked("DELETE", API + "/auth/login")
        self.assertEqual((status, answer["Allow"]), (405, "POST, OPTIONS"))
