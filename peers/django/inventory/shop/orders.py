"""Orders: one transaction each, all of it or nothing."""

from collections import defaultdict
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse

from . import validation
from .api import BAD_REQUEST, FORBIDDEN, NOT_FOUND, Private, Refused, json
from .models import Order, OrderLine, Product, Stock


def _short() -> Refused:
    return Refused(BAD_REQUEST, "there is less in stock", "items")


def _catalogue(wanted: dict[int, int]) -> dict[int, Product]:
    """The products, if they can be had. That they could be a moment ago promises nothing."""
    products = Product.objects.offered().select_related("stock").filter(pk__in=list(wanted))
    found = {product.id: product for product in products if hasattr(product, "stock")}
    if len(found) < len(wanted):
        raise Refused(NOT_FOUND, "no such product", "items")
    if any(found[product_id].stock.quantity < quantity for product_id, quantity in wanted.items()):
        raise _short()
    return found


@transaction.atomic
def place(customer: int, wanted: dict[int, int]) -> dict[str, Any]:
    """`wanted` is in the order of the products."""
    found = _catalogue(wanted)
    total = sum(found[product_id].price * quantity for product_id, quantity in wanted.items())
    order = Order.objects.create(customer_id=customer, total_amount=total)
    lines = [
        OrderLine(
            order_id=order.id,
            product_id=product_id,
            name=found[product_id].name,
            quantity=quantity,
            unit_price=found[product_id].price,
        )
        for product_id, quantity in wanted.items()
    ]
    OrderLine.objects.bulk_create(lines)
    # Last, so that the row of a product in demand is locked for one round trip and the commit; and in the
    # order of the ids, so that no two orders wait for each other.
    for product_id, quantity in wanted.items():
        if not Stock.objects.take(product_id, quantity):
            raise _short()
    return {**_members(order), "items": [_members(line) for line in lines]}


def _members(row: Order | OrderLine) -> dict[str, Any]:
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


def _with_lines(orders: list[dict[str, Any]]) -> list[dict[str, Any]]:
    lines = defaultdict(list)
    ids = [order["id"] for order in orders]
    for line in OrderLine.objects.filter(order_id__in=ids).order_by("order_id", "product_id").public():
        lines[line["order_id"]].append(line)
    return [{**order, "items": lines[order["id"]]} for order in orders]


class Orders(Private):
    def post(self, request: HttpRequest) -> HttpResponse:
        return json(place(self.caller, validation.order(request.body)), 201)

    def get(self, request: HttpRequest) -> HttpResponse:
        after, part = validation.page(request)
        mine = Order.objects.filter(customer_id=self.caller, pk__gt=after).order_by("pk")
        return json(_with_lines(list(mine.public()[part])))


class OneOrder(Private):
    def get(self, request: HttpRequest, order_id: str) -> HttpResponse:
        order = Order.objects.public().filter(pk=validation.identity(order_id)).first()
        if order is None:
            raise Refused(NOT_FOUND, "no such order")
        if order["customer_id"] != self.caller:
            raise Refused(FORBIDDEN, "another customer's order")
        return json(_with_lines([order])[0])
