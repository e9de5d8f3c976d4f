"""Ordering the same once more: its products go into the basket, at today's prices, and nothing else happens."""

from __future__ import annotations

from flask import flash, redirect, url_for
from flask.typing import ResponseReturnValue

from orderapp.errors import InvalidRequest
from orderapp.services.orders import catalogue
from orderapp.web import basket
from orderapp.web.blueprint import shop
from orderapp.web.language import gettext
from orderapp.web.order_reference import order_named


@shop.post("/orders/<reference>/again")
def again(reference: str) -> ResponseReturnValue:
    """Put an order's products into the visitor's basket, as far as they are sold, and lead to the form."""
    order = order_named(reference)
    basket.begin_anew()
    sold = {one.sku for one in catalogue.sold_among([line.sku for line in order.lines])}
    gone = [line.name for line in order.lines if line.sku not in sold]
    if not sold:
        flash(gettext("None of these products is sold any more. Nothing was put into your basket."), "warning")
        return redirect(url_for("shop.index"), 303)
    try:
        basket.put({line.sku: str(line.quantity) for line in order.lines if line.sku in sold})
    except InvalidRequest:
        flash(gettext("At most 100 different products can be ordered at once."), "warning")
        return redirect(url_for("shop.checkout"), 303)
    if gone:
        flash(gettext("Not sold any more, and left out: %(products)s.", products=", ".join(gone)), "warning")
    return redirect(url_for("shop.checkout"), 303)
