"""What is left of products, as their cards tell it: that few or none are left, never how many of many."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flask import request
from flask.typing import ResponseReturnValue

from orderapp import load_shedding
from orderapp.config import current_settings
from orderapp.domain.typed_text import hidden_in
from orderapp.services.orders import catalogue, stock
from orderapp.web.blueprint import shop
from orderapp.web.language import gettext

FEW = 5  # so few that it helps to know
LONGEST_SKU = 64


@shop.get("/stock")
def left() -> ResponseReturnValue:
    """Answer for the products in `sku` what is left of each: a text, empty for many. What isn't known is left out.

    The page asks for it once it is there: nobody waits for the stock to see what is for sale.
    """
    wanted = request.args.getlist("sku")[: catalogue.ON_A_PAGE]
    usable = [sku for sku in wanted if len(sku) <= LONGEST_SKU and not hidden_in(sku)]
    skus = [one.sku for one in catalogue.sold_among(usable)]
    found = stock.known_of(skus) if load_shedding.is_crowded() else stock.left_of(skus, current_settings())
    return {"left": _told(found)}, {"Cache-Control": "no-store"}


def told_of(skus: Iterable[str]) -> dict[str, str]:
    """Return what is known to be left of products, as a text by SKU; nobody is asked."""
    return _told(stock.known_of(skus))


def _told(numbers: Mapping[str, int]) -> dict[str, str]:
    return {sku: _words(number) for sku, number in numbers.items()}


def _words(number: int) -> str:
    if number > FEW:
        return ""
    return gettext("%(number)s left", number=number) if number else gettext("Sold out")
