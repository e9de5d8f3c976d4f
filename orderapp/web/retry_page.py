"""Trying a failed order again, as it was or with one thing changed."""

from __future__ import annotations

from dataclasses import replace

from flask import redirect, request, session, url_for
from flask.typing import ResponseReturnValue

from orderapp.config import current_settings
from orderapp.domain.money import Money
from orderapp.domain.orders import RetryRequest
from orderapp.domain.states import OrderState
from orderapp.errors import CompensationInProgress, InProgress
from orderapp.services.orders import views
from orderapp.services.orders.views import OrderView
from orderapp.services.placing import submitters
from orderapp.services.placing.place import Placing
from orderapp.services.placing.submitters import Submitter
from orderapp.web import basket, drafts
from orderapp.web.changed_order import Change, change_named_in, changed
from orderapp.web.order_reference import reference_of
from orderapp.web.retry_refusals import REFUSALS, refused, shown_total


def try_again(order: OrderView, key: str) -> ResponseReturnValue:
    """Place the order again, or with the change that the form names, and lead to its page; or say why not.

    Idempotent because both use the failed placement's only retry key: the database accepts the first,
    and answers the other with `KeyReused`.
    """
    wishes = RetryRequest(request.form.get("duplicate") == "allow", shown_total())
    change = named_change(order)
    try:
        placed = _submit_changed(order, change, key, wishes) if change else _retry(order, key, wishes)
    except (InProgress, CompensationInProgress) as error:
        # Its page says what is being done, and offers the button as soon as it is.
        placed = views.find_order(error.order_id or order.id)
    except REFUSALS as error:
        return refused(order, key, error, change)
    return redirect(url_for("shop.order", reference=reference_of(placed.number)), 303)


def named_change(order: OrderView) -> Change | None:
    """Return what the form says to change in a failed order."""
    return change_named_in(request.form, order) if order.state is OrderState.FAILED and not order.is_erased else None


def _retry(order: OrderView, key: str, wishes: RetryRequest) -> OrderView:
    return Placing(current_settings()).retry(order.id, key, _visitor(order), wishes).order


def _submit_changed(order: OrderView, change: Change, key: str, wishes: RetryRequest) -> OrderView:
    asked = changed(order, change)
    expected = wishes.expected_total
    # Without a total, the customer was shown at least the order's own prices.
    prices = {line.sku: line.price for line in order.lines}
    shown = sum(prices[line.sku].times(line.quantity).minor for line in asked.lines)
    asked = replace(
        asked,
        allow_duplicate=wishes.allow_duplicate,
        expected_total=expected,
        expected_subtotal=None if expected else Money(shown, order.subtotal.currency),
    )
    placed = Placing(current_settings()).submit(asked, key, _visitor(order), order.id).order
    # Whoever only knows the page's address may press the button, but learns nothing of the customer by it.
    if drafts.is_ours(order.id):
        drafts.answer(key)
        basket.replaced(order.id, placed.id)
    return placed


def _visitor(order: OrderView) -> Submitter:
    return submitters.visitor(request.remote_addr, session.get("csrf_token"), order.customer)
