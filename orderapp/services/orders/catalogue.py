"""What is for sale: all of it, some of it, a page of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, tuple_, update

from orderapp.domain.money import Money
from orderapp.domain.orders import MAX_LINES
from orderapp.domain.typed_text import folded
from orderapp.errors import InvalidRequest
from orderapp.models import Product, db_now
from orderapp.services.db.transactions import reading, writing

ON_A_PAGE = 24  # fills rows of two, three and four; its page is read on a phone in a minute
MOST_CATEGORIES = 30  # more than anybody reads through


@dataclass(frozen=True, slots=True)
class ProductView:
    """A product at its present price."""

    sku: str
    name: str
    price: Money
    category: str = ""
    picture: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the catalogue; `after` is where the next page begins, None on the last one."""

    products: list[ProductView]
    after: str | None


def list_products() -> list[ProductView]:
    """Return everything that is for sale, by name."""
    with reading() as session:
        return _views(session.execute(_SOLD.order_by(Product.name, Product.sku)))


def is_empty() -> bool:
    """Return whether nothing is for sale."""
    with reading() as session:
        return session.execute(_SOLD.limit(1)).first() is None


def sold_among(skus: Iterable[str]) -> list[ProductView]:
    """Return which of these products are for sale, by name; at most as many as an order may have."""
    wanted = sorted(set(skus))[:MAX_LINES]
    if not wanted:
        return []
    with reading() as session:
        return _views(session.execute(_SOLD.where(Product.sku.in_(wanted)).order_by(Product.name, Product.sku)))


def names_of_unsold(skus: Iterable[str]) -> list[str]:
    """Return the names of those of these products that are off sale; at most as many as an order may have."""
    wanted = sorted(set(skus))[:MAX_LINES]
    asked = select(Product.name).where(Product.sku.in_(wanted), Product.retired_at.is_not(None))
    with reading() as session:
        return list(session.scalars(asked.order_by(Product.name)))


def page_of_products(search: str = "", category: str = "", after: str = "") -> Page:
    """Return a page of what is for sale, by name.

    Args:
        search: Words that the name has, all of them; empty for all products.
        category: The category; empty for all.
        after: The SKU of the last product on the page before; empty for the first page.
    """
    asked = _SOLD.order_by(Product.name, Product.sku).limit(ON_A_PAGE + 1)
    for word in folded(search).split():
        asked = asked.where(Product.searched.contains(word, autoescape=True))
    if category:
        asked = asked.where(Product.category == category)
    with reading() as session:
        name = session.scalar(select(Product.name).where(Product.sku == after)) if after else None
        if name is not None:
            asked = asked.where(tuple_(Product.name, Product.sku) > tuple_(name, after))
        found = _views(session.execute(asked))
    shown = found[:ON_A_PAGE]
    return Page(shown, shown[-1].sku if len(found) > ON_A_PAGE else None)


def categories() -> list[str]:
    """Return the categories of what is for sale, by name; at most MOST_CATEGORIES."""
    asked = select(Product.category).where(Product.category != "", Product.retired_at.is_(None))
    with reading() as session:
        return list(session.scalars(asked.distinct().order_by(Product.category).limit(MOST_CATEGORIES)))


def retire(skus: Sequence[str]) -> int:
    """Take products off sale: all of them, or none if one isn't known. Orders that have them stay as they are.

    Transaction: one, committed here.
    Idempotent because: a product that is off sale already keeps its time.

    Returns:
        How many were on sale.

    Raises:
        InvalidRequest: a product isn't known; nothing was changed.
    """
    return _set_retired(skus, {"retired_at": db_now()}, was_retired=False)


def restore(skus: Sequence[str]) -> int:
    """Put products on sale again: all of them, or none if one isn't known.

    Transaction, Idempotent because, Raises: as for `retire`.

    Returns:
        How many were off sale.
    """
    return _set_retired(skus, {"retired_at": None}, was_retired=True)


def _set_retired(skus: Sequence[str], values: dict[str, Any], *, was_retired: bool) -> int:
    wanted = sorted(set(skus))
    with writing() as session:
        known = set(session.scalars(select(Product.sku).where(Product.sku.in_(wanted))))
        unknown = [sku for sku in wanted if sku not in known]
        if unknown:
            raise InvalidRequest({"": [f"there is no product {unknown[0]}"]})
        in_that_state = Product.retired_at.is_not(None) if was_retired else Product.retired_at.is_(None)
        changing = update(Product).where(Product.sku.in_(wanted), in_that_state).values(updated_at=db_now(), **values)
        return len(session.scalars(changing.returning(Product.sku)).all())


def _views(rows: Iterable[Any]) -> list[ProductView]:
    return [
        ProductView(row.sku, row.name, Money(row.price_minor, row.currency), row.category, row.picture) for row in rows
    ]


_SOLD = select(
    Product.sku, Product.name, Product.price_minor, Product.currency, Product.category, Product.picture
).where(Product.retired_at.is_(None))
