"""Stock by hand: each change is one statement with its condition."""

from typing import Any

from fastapi import APIRouter
from sqlalchemy import BigInteger, bindparam, func, select, update

import original
import settings
from database import Stock, autocommit
from refusals import BAD_REQUEST, NOT_FOUND, Refused
from schemas import LIMIT_USUAL, Limit, Skip, StockChange, StockOut
from security import Caller

router = APIRouter(prefix="/inventory")

# A product has one row, whose id is the product's.
_PUBLIC = (Stock.product_id.label("id"), Stock.product_id, Stock.quantity, Stock.last_updated)
_PAGE = (
    select(*_PUBLIC)
    .where(Stock.product_id > bindparam("after"))
    .order_by(Stock.product_id)
    .offset(bindparam("skip", type_=BigInteger))
    .limit(bindparam("limit", type_=BigInteger))
)
_BY = bindparam("by", type_=BigInteger)
_CHANGE = (
    update(Stock)
    .where(Stock.product_id == bindparam("product"), Stock.quantity + _BY >= 0)
    .values(quantity=Stock.quantity + _BY, last_updated=func.now())
    .returning(*_PUBLIC)
)
_IS_THERE = select(Stock.product_id).where(Stock.product_id == bindparam("product"))


@router.get("", response_model=list[StockOut])
async def page(caller: Caller, limit: Limit = LIMIT_USUAL, skip: Skip = 0, after: Skip = 0) -> Any:
    async with autocommit.connect() as connection:
        rows = await connection.execute(_PAGE, {"after": after, "skip": skip, "limit": limit})
        return [row._asdict() for row in rows]


async def _change(product: int, by: int) -> Any:
    async with autocommit.connect() as connection:
        changed = (await connection.execute(_CHANGE, {"product": product, "by": by})).mappings().first()
        if changed is not None:
            return changed
        if await connection.scalar(_IS_THERE, {"product": product}) is None:
            raise Refused(NOT_FOUND, "no such product", "product_id")
    raise Refused(BAD_REQUEST, "there is less in stock", "quantity")


_changed = original.change_stock if settings.ORDERS == settings.ORIGINAL else _change


@router.post("/add", response_model=StockOut)
async def add(change: StockChange, caller: Caller) -> Any:
    return await _changed(change.product_id, change.quantity)


@router.post("/remove", response_model=StockOut)
async def remove(change: StockChange, caller: Caller) -> Any:
    return await _changed(change.product_id, -change.quantity)
