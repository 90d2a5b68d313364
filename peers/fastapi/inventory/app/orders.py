"""Orders: one transaction each, all of it or nothing."""

from collections import defaultdict
from typing import Any

from fastapi import APIRouter
from sqlalchemy import ARRAY, BigInteger, Row, any_, bindparam, func, insert, select, update

import original
import settings
from database import Order, OrderLine, Product, Stock, autocommit, engine
from refusals import BAD_REQUEST, FORBIDDEN, NOT_FOUND, Refused
from schemas import LIMIT_USUAL, Id, Limit, NewOrder, OrderOut, Skip
from security import Caller

router = APIRouter(prefix="/orders")

_PUBLIC = (Order.id, Order.customer_id, Order.status, Order.total_amount, Order.created_at, Order.updated_at)
_PUBLIC_LINE = (
    OrderLine.id,
    OrderLine.order_id,
    OrderLine.product_id,
    OrderLine.name,
    OrderLine.quantity,
    OrderLine.unit_price,
)
# One parameter, however many there are: so it is one prepared statement.
_IDS = any_(bindparam("ids", type_=ARRAY(BigInteger)))

_CATALOGUE = (
    select(Product.id, Product.name, Product.price, Stock.quantity)
    .join(Stock, Stock.product_id == Product.id)
    .where(Product.id == _IDS, Product.archived_at.is_(None))
)
_INSERT = insert(Order).returning(*_PUBLIC)
_INSERT_LINES = insert(OrderLine).returning(*_PUBLIC_LINE, sort_by_parameter_order=True)
_WANTED = bindparam("wanted", type_=BigInteger)
_TAKE = (
    update(Stock)
    .where(Stock.product_id == bindparam("product"), Stock.quantity >= _WANTED)
    .values(quantity=Stock.quantity - _WANTED, last_updated=func.now())
)

_BY_ID = select(*_PUBLIC).where(Order.id == bindparam("id"))
_PAGE = (
    select(*_PUBLIC)
    .where(Order.customer_id == bindparam("customer"), Order.id > bindparam("after"))
    .order_by(Order.id)
    .offset(bindparam("skip", type_=BigInteger))
    .limit(bindparam("limit", type_=BigInteger))
)
_LINES = (
    select(*_PUBLIC_LINE).where(OrderLine.order_id == _IDS).order_by(OrderLine.order_id, OrderLine.product_id)
)


def _short() -> Refused:
    return Refused(BAD_REQUEST, "there is less in stock", "items")


def _check(catalogue: dict[int, Row], wanted: dict[int, int]) -> None:
    """Refuses what cannot be had. That it could be had a moment ago promises nothing."""
    if len(catalogue) < len(wanted):
        raise Refused(NOT_FOUND, "no such product", "items")
    if any(catalogue[product].quantity < quantity for product, quantity in wanted.items()):
        raise _short()


async def _place(customer: int, new: NewOrder) -> Any:
    wanted = new.wanted()
    async with engine.begin() as connection:
        catalogue = {row.id: row for row in await connection.execute(_CATALOGUE, {"ids": list(wanted)})}
        _check(catalogue, wanted)
        total = sum(catalogue[product].price * quantity for product, quantity in wanted.items())
        row = {"customer_id": customer, "total_amount": total}
        order = (await connection.execute(_INSERT, row)).mappings().one()
        lines = [
            {
                "order_id": order["id"],
                "product_id": product,
                "name": catalogue[product].name,
                "quantity": quantity,
                "unit_price": catalogue[product].price,
            }
            for product, quantity in wanted.items()
        ]
        stored = (await connection.execute(_INSERT_LINES, lines)).mappings().all()
        # Last, so that the row of a product in demand is locked for one round trip and the commit; and in the
        # order of the ids, so that no two orders wait for each other.
        for product, quantity in wanted.items():
            taken = await connection.execute(_TAKE, {"product": product, "wanted": quantity})
            if taken.rowcount == 0:
                raise _short()
    return {**order, "items": stored}


_placed = original.place if settings.ORDERS == settings.ORIGINAL else _place


@router.post("", status_code=201, response_model=OrderOut)
async def create(new: NewOrder, caller: Caller) -> Any:
    return await _placed(caller, new)


@router.get("", response_model=list[OrderOut])
async def page(caller: Caller, limit: Limit = LIMIT_USUAL, skip: Skip = 0, after: Skip = 0) -> Any:
    async with autocommit.connect() as connection:
        values = {"customer": caller, "after": after, "skip": skip, "limit": limit}
        orders = (await connection.execute(_PAGE, values)).all()
        lines = defaultdict(list)
        for line in await connection.execute(_LINES, {"ids": [order.id for order in orders]}):
            lines[line.order_id].append(line._asdict())
    return [{**order._asdict(), "items": lines[order.id]} for order in orders]


@router.get("/{order_id}", response_model=OrderOut)
async def by_id(order_id: Id, caller: Caller) -> Any:
    async with autocommit.connect() as connection:
        order = (await connection.execute(_BY_ID, {"id": order_id})).mappings().first()
        if order is None:
            raise Refused(NOT_FOUND, "no such order")
        if order["customer_id"] != caller:
            raise Refused(FORBIDDEN, "another customer's order")
        lines = (await connection.execute(_LINES, {"ids": [order_id]})).mappings().all()
    return {**order, "items": lines}
