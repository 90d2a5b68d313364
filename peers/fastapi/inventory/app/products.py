"""Products. One that is deleted is archived: it is in no list, and orders keep what they took."""

from typing import Any

from fastapi import APIRouter
from sqlalchemy import BigInteger, bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from database import Product, Stock, autocommit, engine
from refusals import CONFLICT, NOT_FOUND, Refused
from schemas import LIMIT_USUAL, Id, Limit, NewProduct, ProductChange, ProductOut, Skip
from security import Caller

router = APIRouter(prefix="/products")

_PUBLIC = (Product.id, Product.name, Product.description, Product.price, Product.sku, Product.owner_id)
_OFFERED = Product.archived_at.is_(None)

_BY_ID = select(*_PUBLIC).where(Product.id == bindparam("id"), _OFFERED)
_PAGE = (
    select(*_PUBLIC)
    .where(Product.id > bindparam("after"), _OFFERED)
    .order_by(Product.id)
    .offset(bindparam("skip", type_=BigInteger))
    .limit(bindparam("limit", type_=BigInteger))
)
_INSERT = insert(Product).returning(*_PUBLIC)
_INSERT_STOCK = insert(Stock)
_UPDATE = update(Product).where(Product.id == bindparam("product"), _OFFERED).returning(*_PUBLIC)
_ARCHIVE = _UPDATE.values(archived_at=func.now())
_DELETE_STOCK = delete(Stock).where(Stock.product_id == bindparam("product"))


def _no_product() -> Refused:
    return Refused(NOT_FOUND, "no such product")


def _sku_taken() -> Refused:
    return Refused(CONFLICT, "another product has it", "sku")


@router.post("", status_code=201, response_model=ProductOut)
async def create(new: NewProduct, caller: Caller) -> Any:
    try:
        async with engine.begin() as connection:
            row = {**new.model_dump(), "owner_id": caller}
            product = (await connection.execute(_INSERT, row)).mappings().one()
            await connection.execute(_INSERT_STOCK, {"product_id": product["id"]})
    except IntegrityError:
        raise _sku_taken() from None
    return product


@router.get("", response_model=list[ProductOut])
async def page(caller: Caller, limit: Limit = LIMIT_USUAL, skip: Skip = 0, after: Skip = 0) -> Any:
    async with autocommit.connect() as connection:
        rows = await connection.execute(_PAGE, {"after": after, "skip": skip, "limit": limit})
        return [row._asdict() for row in rows]


async def _one(statement: Any, values: dict[str, Any]) -> Any:
    async with autocommit.connect() as connection:
        found = (await connection.execute(statement, values)).mappings().first()
    if found is None:
        raise _no_product()
    return found


@router.get("/{product_id}", response_model=ProductOut)
async def by_id(product_id: Id, caller: Caller) -> Any:
    return await _one(_BY_ID, {"id": product_id})


@router.put("/{product_id}", response_model=ProductOut)
async def change(product_id: Id, what: ProductChange, caller: Caller) -> Any:
    changed = what.model_dump(exclude_unset=True)
    if not changed:
        return await _one(_BY_ID, {"id": product_id})
    try:
        return await _one(_UPDATE.values(**changed), {"product": product_id})
    except IntegrityError:
        raise _sku_taken() from None


@router.delete("/{product_id}", response_model=ProductOut)
async def archive(product_id: Id, caller: Caller) -> Any:
    async with engine.begin() as connection:
        product = (await connection.execute(_ARCHIVE, {"product": product_id})).mappings().first()
        if product is None:
            raise _no_product()
        await connection.execute(_DELETE_STOCK, {"product": product_id})
    return product
