"""What is for sale."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from orderapp.domain.money import Money
from orderapp.models import Product
from orderapp.services.database import reading


@dataclass(frozen=True, slots=True)
class ProductView:
    """A product at its present price."""

    sku: str
    name: str
    price: Money


def list_products() -> list[ProductView]:
    """Return everything that is for sale, by name."""
    with reading() as session:
        rows = session.execute(
            select(Product.sku, Product.name, Product.price_minor, Product.currency).order_by(Product.name, Product.sku)
        )
        return [ProductView(sku, name, Money(minor, currency)) for sku, name, minor, currency in rows]
