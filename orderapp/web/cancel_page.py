"""Cancelling an order by its customer: a question first, and how to reach the shop once it is too late."""

from __future__ import annotations

from flask import Response, make_response, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from orderapp.config import current_settings
from orderapp.domain.states import OrderState
from orderapp.errors import TooLate, WrongState
from orderapp.services.orders.cancel import Window, cancel_as_customer, window_of
from orderapp.services.orders.views import OrderView
from orderapp.web.blueprint import shop
from orderapp.web.order_reference import order_named


def cancel_window(order: OrderView) -> Window | None:
    """Return until when the order's customer may cancel it; None if that isn't a question for its page."""
    limit = current_settings().cancel_limit
    return None if limit.is_never else window_of(order, limit)


@shop.get("/orders/<reference>/cancel")
def ask_to_cancel(reference: str) -> ResponseReturnValue:
    """Ask whether to cancel the order."""
    order = order_named(reference)
    if order.state is not OrderState.CONFIRMED:
        return redirect(url_for("shop.order", reference=reference), 303)
    return _page(order, reference)


@shop.post("/orders/<reference>/cancel")
def cancel(reference: str) -> ResponseReturnValue:
    """Cancel the order and lead to its page, which says what becomes of it; or say that it is too late."""
    order = order_named(reference)
    try:
        cancel_as_customer(order, current_settings())
    except TooLate:
        return _page(order, reference, 409)
    except WrongState:
        # Its page says what became of it meanwhile.
        pass
    return redirect(url_for("shop.order", reference=reference), 303)


def _page(order: OrderView, reference: str, status: int = 200) -> Response:
    window = window_of(order, current_settings().cancel_limit)
    is_open = window is not None and window.is_open
    page = render_template("shop/cancel.html", order=order, reference=reference, is_open=is_open)
    response = make_response(page, status)
    response.headers["Cache-Control"] = "no-store"
    return response
