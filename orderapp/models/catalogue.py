"""What is for sale, and what visitors have chosen of it."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column, validates

from orderapp.domain.typed_text import folded
from orderapp.models.base import Base, UtcDateTime


class Product(Base):
    """A product at its present price; an order line keeps the price at the time of the order."""

    __tablename__ = "products"
    __table_args__ = (
        CheckConstraint("price_minor >= 0", name="price_not_negative"),
        CheckConstraint("length(currency) = 3", name="currency_three_letters"),
        Index("ix_products_name", "name", "sku"),
        Index("ix_products_category", "category", "name", "sku"),
    )

    sku: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    # The name as it is searched; a statement that changes the name changes this too.
    searched: Mapped[str] = mapped_column(Text, server_default=text("''"))
    price_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    category: Mapped[str] = mapped_column(String(60), server_default=text("''"))
    picture: Mapped[str] = mapped_column(String(200), server_default=text("''"))  # a path on this host
    retired_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)  # off sale since then
    updated_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)

    @validates("name")
    def _fold(self, _key: str, name: str) -> str:
        self.searched = folded(name)
        return name


class BasketLine(Base):
    """What a visitor has chosen and not ordered yet; the basket's name is in the visitor's session."""

    __tablename__ = "basket_lines"

    basket: Mapped[str] = mapped_column(String(64), primary_key=True)
    sku: Mapped[str] = mapped_column(ForeignKey("products.sku"), primary_key=True)
    quantity: Mapped[int] = mapped_column(Integer)
    changed_at: Mapped[dt.datetime] = mapped_column(UtcDateTime, index=True)
