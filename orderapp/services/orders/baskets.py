"""Baskets: what visitors have chosen and not ordered yet. A basket holds products and numbers, and nobody's name."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import delete, func, select

from orderapp.domain.networks import UNKNOWN, household_of
from orderapp.domain.orders import MAX_LINES, MAX_QUANTITY
from orderapp.errors import InvalidRequest
from orderapp.models import BasketLine, Product, db_now
from orderapp.services.access import attempt_counters
from orderapp.services.db.transactions import reading, writing
from orderapp.services.db.upserts import proposed, upsert

# Whoever never sends our cookie back gets a new basket with each press. An office of a hundred people makes as many in
# an hour as it has orders and second thoughts.
NEW_OF_NETWORK = 500
NEW_WINDOW_SECONDS = 3600
FULL = f"At most {MAX_LINES} different products can be ordered at once."


def lines_of(basket: str) -> dict[str, int]:
    """Return the quantities of a basket by SKU; products that are off sale are left out."""
    asked = (
        select(BasketLine.sku, BasketLine.quantity)
        .join(Product, Product.sku == BasketLine.sku)
        .where(BasketLine.basket == basket, Product.retired_at.is_(None))
        .limit(MAX_LINES)
    )
    with reading() as session:
        return {row.sku: row.quantity for row in session.execute(asked)}


def is_there(basket: str) -> bool:
    """Return whether anything is in a basket."""
    with reading() as session:
        return session.scalar(select(BasketLine.basket).where(BasketLine.basket == basket).limit(1)) is not None


def count_new(address: str | None) -> None:
    """Count a new basket for the network that it comes from. Transaction: one, committed here.

    Args:
        address: The network address of the request. Unknown ones aren't counted: everybody would share them.

    Raises:
        TooManyAttempts: too many came from there.
    """
    network = household_of(address)
    if network != UNKNOWN:
        attempt_counters.count(("new-baskets", network), NEW_OF_NETWORK, NEW_WINDOW_SECONDS)


def put(basket: str, quantities: Mapping[str, int]) -> None:
    """Set how many of some products are in a basket; 0 takes a product out, what isn't for sale is left out.

    Transaction: one, committed here.
    Idempotent because: it sets quantities, and adds nothing to them.

    Raises:
        InvalidRequest: more different products than an order may have; nothing was changed.
    """
    skus = sorted(quantities)[: 2 * MAX_LINES]
    with writing() as session:
        sold = set(session.scalars(select(Product.sku).where(Product.sku.in_(skus), Product.retired_at.is_(None))))
        gone = [sku for sku in skus if not quantities[sku]]
        if gone:
            session.execute(delete(BasketLine).where(BasketLine.basket == basket, BasketLine.sku.in_(gone)))
        rows = [
            {"basket": basket, "sku": sku, "quantity": min(quantities[sku], MAX_QUANTITY)}
            for sku in skus
            if sku in sold and quantities[sku]
        ]
        if rows:
            written = {"changed_at": db_now()}
            changed = {"quantity": proposed(BasketLine.quantity)} | written
            session.connection().execute(upsert(session, BasketLine, written, changed, unique="basket, sku"), rows)
        in_it = (BasketLine.basket == basket, Product.sku == BasketLine.sku, Product.retired_at.is_(None))
        if session.scalars(select(func.count()).where(*in_it)).one() > MAX_LINES:
            raise InvalidRequest({"lines": [FULL]})
