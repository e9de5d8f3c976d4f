"""What is for sale."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select

from orderapp.domain.money import Money
from orderapp.models import Product
from orderapp.services.db.transactions import reading


@dataclass(frozen=True, slots=True)
class ProductView:
    """A product at its present price."""

    sku: str
    name: str
    price: Money


def count_products() -> int:
    """Return how many products are for sale."""
    with reading() as session:
        return session.execute(select(func.count()).select_from(Product)).scalar_one()


def list_products() -> list[ProductView]:
    """Return everything that is for sale, by name."""
    with reading() as session:
        rows = session.execute(
            select(Product.sku, Product.name, Product.price_minor, Product.currency).order_by(Product.name, Product.sku)
        )
        return [ProductView(sku, name, Money(minor, currency)) for sku, name, minor, currency in rows]
