"""Accounts, products and stock."""

from django.contrib.auth.hashers import check_password, make_password
from django.db import IntegrityError, transaction
from django.db.models import Value
from django.db.models.functions import Lower
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from . import tokens, validation
from .api import BAD_REQUEST, CONFLICT, NOT_FOUND, UNAUTHORIZED, Private, Public, Refused, json
from .models import Product, Stock, User


class Register(Public):
    def post(self, request: HttpRequest) -> HttpResponse:
        members = validation.account(request.body)
        hashed = make_password(members.pop("password"))
        try:
            user = User.objects.create(**members, password_hash=hashed)
        except IntegrityError:
            raise Refused(CONFLICT, "this address is taken", "email") from None
        account = {
            "id": user.id,
            "email": user.email,
            "full_name": user.full_name,
            "is_active": user.is_active,
        }
        return json(account, 201)


class Login(Public):
    def post(self, request: HttpRequest) -> HttpResponse:
        email, password = validation.login(request.body)
        user = User.objects.alias(key=Lower("email")).filter(key=Lower(Value(email))).first()
        if user is None:
            # So that an address that nobody has takes as long.
            make_password(password)
        if user is None or not check_password(password, user.password_hash) or not user.is_active:
            raise Refused(UNAUTHORIZED, "no such account, or another password")
        return json({"access_token": tokens.token_of(user.id), "token_type": "bearer"})


def _no_product() -> Refused:
    return Refused(NOT_FOUND, "no such product")


def _sku_taken() -> Refused:
    return Refused(CONFLICT, "another product has it", "sku")


def _shown(product_id: int) -> HttpResponse:
    product = Product.objects.offered().public().filter(pk=product_id).first()
    if product is None:
        raise _no_product()
    return json(product)


class Products(Private):
    def post(self, request: HttpRequest) -> HttpResponse:
        members = validation.product(request.body)
        try:
            with transaction.atomic():
                product = Product.objects.create(**members, owner_id=self.caller)
                # `create` is told the key, and must not look whether it is there.
                Stock(product_id=product.id).save(force_insert=True)
        except IntegrityError:
            raise _sku_taken() from None
        return json({"id": product.id, **members, "owner_id": self.caller}, 201)

    def get(self, request: HttpRequest) -> HttpResponse:
        after, part = validation.page(request)
        return json(list(Product.objects.offered().filter(pk__gt=after).order_by("pk").public()[part]))


class OneProduct(Private):
    def get(self, request: HttpRequest, product_id: str) -> HttpResponse:
        return _shown(validation.identity(product_id))

    def put(self, request: HttpRequest, product_id: str) -> HttpResponse:
        key, changes = validation.identity(product_id), validation.product_change(request.body)
        try:
            with transaction.atomic():
                if changes:
                    Product.objects.offered().filter(pk=key).update(**changes)
                # The row is locked: what is shown is what was written.
                return _shown(key)
        except IntegrityError:
            raise _sku_taken() from None

    def delete(self, request: HttpRequest, product_id: str) -> HttpResponse:
        """Archives it: it is in no list, and orders keep what they took."""
        key = validation.identity(product_id)
        with transaction.atomic():
            product = Product.objects.select_for_update().offered().public().filter(pk=key).first()
            if product is None:
                raise _no_product()
            Product.objects.filter(pk=key).update(archived_at=timezone.now())
            Stock.objects.filter(pk=key).delete()
        return json(product)


class Inventory(Private):
    def get(self, request: HttpRequest) -> HttpResponse:
        after, part = validation.page(request)
        return json(list(Stock.objects.filter(pk__gt=after).order_by("pk").public()[part]))


class ChangeStock(Private):
    # Set by the route.
    sign = 1

    def post(self, request: HttpRequest) -> HttpResponse:
        product_id, quantity = validation.stock_change(request.body)
        with transaction.atomic():
            stock = Stock.objects.select_for_update().filter(pk=product_id).first()
            if stock is None:
                raise Refused(NOT_FOUND, "no such product", "product_id")
            stock.quantity += self.sign * quantity
            if stock.quantity < 0:
                raise Refused(BAD_REQUEST, "there is less in stock", "quantity")
            stock.last_updated = timezone.now()
            stock.save(update_fields=["quantity", "last_updated"])
        shown = {"id": product_id, "product_id": product_id, "quantity": stock.quantity}
        return json({**shown, "last_updated": stock.last_updated})
