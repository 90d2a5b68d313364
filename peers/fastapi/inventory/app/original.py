"""The mode `original`: stock is read, compared and written as the seed's backend does it, which oversells.

Race window: between the read and the commit of what was written, in which any number of others read the same.
Nothing here is a mistake to be mended: the contest shows that it is caught.
"""

from decimal import Decimal
from typing import Any

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from database import Order, OrderLine, Product, Stock, engine
from refusals import BAD_REQUEST, NOT_FOUND, Refused
from schemas import NewLine, NewOrder

_sessions = async_sessionmaker(engine, expire_on_commit=False)


async def _stock(session: AsyncSession, product: int, by: int) -> Stock:
    stock = await session.get(Stock, product, populate_existing=True)
    if stock is None:
        raise Refused(NOT_FOUND, "no such product", "product_id")
    if stock.quantity + by < 0:
        raise Refused(BAD_REQUEST, "there is less in stock", "quantity")
    # The number that was read here and now, and not what the row holds when it is written.
    stock.quantity = stock.quantity + by
    stock.last_updated = func.now()
    await session.commit()
    await session.refresh(stock)
    return stock


async def change_stock(product: int, by: int) -> Any:
    async with _sessions() as session:
        stock = await _stock(session, product, by)
        return {
            "id": stock.product_id,
            "product_id": stock.product_id,
            "quantity": stock.quantity,
            "last_updated": stock.last_updated,
        }


def _price(line: NewLine, product: Product) -> Decimal:
    """What the client says."""
    return product.price if line.unit_price is None else Decimal(str(line.unit_price))


async def place(customer: int, new: NewOrder) -> Any:
    async with _sessions() as session:
        order = Order(customer_id=customer, total_amount=Decimal(0))
        session.add(order)
        lines = []
        for asked in new.items:
            product = await session.get(Product, asked.product_id)
            if product is None or product.archived_at is not None:
                raise Refused(NOT_FOUND, "no such product", "items")
            # Commits: the order with the lines so far is there, whatever becomes of the next one.
            await _stock(session, asked.product_id, -asked.quantity)
            line = OrderLine(
                order_id=order.id,
                product_id=product.id,
                name=product.name,
                quantity=asked.quantity,
                unit_price=_price(asked, product),
            )
            session.add(line)
            lines.append(line)
            order.total_amount += line.unit_price * line.quantity
        await session.commit()
        await session.refresh(order)
        for line in lines:
            await session.refresh(line)
        return {**_members(order), "items": [_members(line) for line in lines]}


def _members(row: Order | OrderLine) -> dict[str, Any]:
    return {column.key: getattr(row, column.key) for column in row.__table__.columns}
