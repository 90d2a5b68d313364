"""The tables, and the engine that all statements go through."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Identity, Index, Numeric, Text, func, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

import settings

engine = create_async_engine(
    settings.DATABASE_URL,
    pool_size=settings.POOL,
    max_overflow=0,
    # As long as the clients wait: under load a request is late rather than refused.
    pool_timeout=60,
    # The statements are small; to compile them would cost more than it saves.
    connect_args={"server_settings": {"jit": "off"}},
)
# A single statement needs no transaction around it, which would be two more round trips.
autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")

# For a total of many lines, each of which may be large.
_TOTAL = Numeric(24, 2)


class Base(DeclarativeBase):
    type_annotation_map = {
        int: BigInteger,
        str: Text,
        Decimal: Numeric(12, 2),
        datetime: DateTime(timezone=True),
    }


class User(Base):
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    email: Mapped[str]
    full_name: Mapped[str]
    password_hash: Mapped[str]
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))

    # Addresses that differ by case are one account.
    __table_args__ = (Index("users_email", text("lower(email)"), unique=True),)


class Product(Base):
    __tablename__ = "products"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str]
    description: Mapped[str | None]
    price: Mapped[Decimal]
    sku: Mapped[str]
    owner_id: Mapped[int]
    # A product that was deleted stays for the orders that have it.
    archived_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("price >= 0", name="products_price"),
        Index("products_sku", "sku", unique=True, postgresql_where=text("archived_at IS NULL")),
        Index("products_offered", "id", postgresql_where=text("archived_at IS NULL")),
    )


class Stock(Base):
    __tablename__ = "inventory_items"

    product_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    quantity: Mapped[int] = mapped_column(server_default=text("0"))
    last_updated: Mapped[datetime] = mapped_column(server_default=func.now())

    # Room on its page keeps the index out of the updates of a product in demand.
    __table_args__ = (
        CheckConstraint("quantity >= 0", name="inventory_items_quantity"),
        {"postgresql_with": {"fillfactor": 50}},
    )


class Order(Base):
    """No foreign key leads to the users: all orders of one of them would lock the same row for it."""

    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    customer_id: Mapped[int]
    status: Mapped[str] = mapped_column(server_default="pending")
    total_amount: Mapped[Decimal] = mapped_column(_TOTAL)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (Index("orders_customer", "customer_id", "id"),)


class OrderLine(Base):
    """With the name and the price of that time. Nor does a foreign key lead to products, which all stay."""

    __tablename__ = "order_items"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    order_id: Mapped[int]
    product_id: Mapped[int]
    name: Mapped[str]
    quantity: Mapped[int]
    unit_price: Mapped[Decimal]

    __table_args__ = (
        CheckConstraint("quantity > 0", name="order_items_quantity"),
        Index("order_items_order", "order_id", "product_id"),
    )
