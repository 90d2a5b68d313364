"""12: the same decrement with no lock, with four ways that lose none."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel
from sqlalchemy import update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm.exc import StaleDataError

from common import store

from .tables import Product, VersionedProduct

router = APIRouter(prefix="/transactions")

# How often a decrement that met another one is tried again.
RETRIES = 20
SERIALIZATION_FAILURE = "40001"

ProductId = Annotated[int, Query(ge=0, le=2**63 - 1)]
Quantity = Annotated[int, Query(ge=1, le=2**63 - 1)]


class Left(BaseModel):
    product_id: int
    quantity: int


class Met(Exception):
    """Another transaction was there first."""


def no_product() -> HTTPException:
    return HTTPException(404, "no such product")


def checked[T: (Product, VersionedProduct)](product: T | None, quantity: int) -> T:
    if product is None:
        raise no_product()
    if product.quantity < quantity:
        raise HTTPException(409, "there is not enough of the product")
    return product


async def retried(attempt: Callable[[], Awaitable[int]]) -> int:
    for _ in range(1 + RETRIES):
        try:
            return await attempt()
        except Met:
            continue
    raise HTTPException(409, "too many others change the product", {"retry-after": "0"})


@router.post("/decrement/no-lock", response_model=Left)
async def no_lock(product_id: ProductId, quantity: Quantity = 1) -> Any:
    """What two of these read at once, they both write: one of them is lost."""
    async with store.session() as session:
        product = checked(await session.get(Product, product_id), quantity)
        product.quantity -= quantity
        await session.commit()
    return {"product_id": product_id, "quantity": product.quantity}


@router.post("/decrement/pessimistic", response_model=Left)
async def pessimistic(product_id: ProductId, quantity: Quantity = 1) -> Any:
    async with store.session() as session:
        product = checked(await session.get(Product, product_id, with_for_update=True), quantity)
        product.quantity -= quantity
        await session.commit()
    return {"product_id": product_id, "quantity": product.quantity}


@router.post("/decrement/optimistic", response_model=Left)
async def optimistic(product_id: ProductId, quantity: Quantity = 1) -> Any:
    async def attempt() -> int:
        async with store.session() as session:
            product = checked(await session.get(VersionedProduct, product_id), quantity)
            product.quantity -= quantity
            try:
                await session.commit()
            except StaleDataError:
                raise Met from None
            return product.quantity

    return {"product_id": product_id, "quantity": await retried(attempt)}


@router.post("/decrement/serializable", response_model=Left)
async def serializable(product_id: ProductId, quantity: Quantity = 1) -> Any:
    async def attempt() -> int:
        try:
            async with store.session() as session:
                await session.connection(execution_options={"isolation_level": "SERIALIZABLE"})
                product = checked(await session.get(Product, product_id), quantity)
                product.quantity -= quantity
                await session.commit()
                return product.quantity
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) == SERIALIZATION_FAILURE:
                raise Met from None
            raise

    return {"product_id": product_id, "quantity": await retried(attempt)}


@router.post("/decrement/conditional", response_model=Left)
async def conditional(product_id: ProductId, quantity: Quantity = 1) -> Any:
    enough = update(Product).where(Product.id == product_id, Product.quantity >= quantity)
    take = enough.values(quantity=Product.quantity - quantity).returning(Product.quantity)
    async with store.session() as session:
        left = await session.scalar(take, execution_options={"synchronize_session": False})
        if left is None:
            checked(await session.get(Product, product_id), quantity)
            # Somebody has brought more since.
            raise HTTPException(409, "there was not enough of the product", {"retry-after": "0"})
        await session.commit()
    return {"product_id": product_id, "quantity": left}


@router.post("/reset", response_model=Left)
async def reset(product_id: ProductId, quantity: Annotated[int, Query(ge=0, le=2**63 - 1)]) -> Any:
    async with store.session() as session:
        product = await session.get(Product, product_id, with_for_update=True)
        if product is None:
            raise no_product()
        product.quantity = quantity
        await session.commit()
    return {"product_id": product_id, "quantity": quantity}
