"""The visitor's basket: its name is in the session, its content in the database."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from flask import request, session

from orderapp.domain.orders import MAX_QUANTITY
from orderapp.services.orders import baskets, catalogue
from orderapp.services.orders.catalogue import ProductView
from orderapp.services.orders.shop_views import is_failing

NAME_BYTES = 24  # 192 random bits: no two baskets have the same name
_BASKET, _ORDERED = "basket", "ordered_as"


@dataclass(frozen=True, slots=True)
class Basket:
    """What is in the visitor's basket: the products that are for sale, and how many of each."""

    products: list[ProductView]
    quantities: Mapping[str, int]

    @property
    def count(self) -> int:
        """How many pieces there are."""
        return sum(self.quantities[one.sku] for one in self.products)


def current() -> Basket:
    """Return the visitor's basket; an empty one for a visitor without one."""
    name = session.get(_BASKET)
    quantities = baskets.lines_of(name) if name else {}
    return Basket(catalogue.sold_among(quantities), quantities)


def put(quantities: Mapping[str, str]) -> None:
    """Set how many there are of some products; what isn't a number from 0 up is left alone.

    Raises:
        InvalidRequest: the basket would be too full; nothing was changed.
        TooManyAttempts: too many new baskets came from the visitor's network; nothing was changed.
    """
    numbers = {
        sku: int(text) for sku, text in quantities.items() if text.isascii() and text.isdecimal() and len(text) < 7
    }
    if not baskets.is_there(name()):
        if not any(numbers.values()):
            return
        _begin()
        baskets.count_new(request.remote_addr)
    baskets.put(name(), {sku: min(number, MAX_QUANTITY) for sku, number in numbers.items()})


def name() -> str:
    """Return the name of the visitor's basket; empty for a visitor without one."""
    found: str = session.get(_BASKET, "")
    return found


def ordered(order_id: uuid.UUID) -> None:
    """Remember that the basket became this order. It stays until the visitor chooses anew, for those who come back."""
    if _BASKET in session:
        session[_ORDERED] = [session[_BASKET], str(order_id)]


def replaced(failed_id: uuid.UUID, order_id: uuid.UUID) -> None:
    """Remember that another order took the place of the failed one that the basket became."""
    if session.get(_ORDERED) == [name(), str(failed_id)]:
        ordered(order_id)


def begin_anew() -> None:
    """Take another basket if this one was ordered; after an order that failed, what was chosen is still wanted.

    A visitor without a basket gets one before anything is in it: two first presses at the same moment would else make
    a basket each, and the answer that comes first would be lost.
    """
    basket, order_id = session.get(_ORDERED, ("", ""))
    if basket and basket == name() and not is_failing(uuid.UUID(order_id)):
        session.pop(_BASKET)
        session.pop(_ORDERED)
    _begin()


def _begin() -> None:
    if _BASKET not in session:
        session[_BASKET] = secrets.token_urlsafe(NAME_BYTES)
