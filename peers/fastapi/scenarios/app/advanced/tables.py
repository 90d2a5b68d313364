"""The tables beside `users`, as the ORM has them. The contest's seeds make them."""

from datetime import datetime

from sqlalchemy import ForeignKey, Identity
from sqlalchemy.ext.asyncio import AsyncAttrs
from sqlalchemy.orm import Mapped, mapped_column, relationship

from store_sqlalchemy import Base


# A relation that was not loaded with its rows is loaded when it is awaited.
class Author(AsyncAttrs, Base):
    __tablename__ = "authors"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    country: Mapped[str]
    posts: Mapped[list["Post"]] = relationship(order_by="Post.id")


class Post(Base):
    __tablename__ = "posts"

    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))
    title: Mapped[str]
    body: Mapped[str]


class BulkItem(Base):
    __tablename__ = "bulk_items"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    value: Mapped[int]


class Product(Base):
    __tablename__ = "products"

    id: Mapped[int] = mapped_column(primary_key=True)
    quantity: Mapped[int]
    version: Mapped[int]


class VersionedProduct(Base):
    """The same rows, where an UPDATE is of the version that was read, and otherwise of none."""

    __table__ = Product.__table__
    __mapper_args__ = {"version_id_col": Product.__table__.c.version}


class Article(Base):
    __tablename__ = "articles"

    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int]
    country: Mapped[str]
    views: Mapped[int]
    body: Mapped[str]


class ArticleTotal(Base):
    __tablename__ = "article_totals"

    kind: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    articles: Mapped[int]
    views: Mapped[int]


class UserSession(Base):
    __tablename__ = "sessions"

    token: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    expires_at: Mapped[datetime]
