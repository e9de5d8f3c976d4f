"""Trying a failed order again, as it was or without one of its codes."""

from __future__ import annotations

from dataclasses import replace

from flask import redirect, request, session, url_for
from flask.typing import ResponseReturnValue

from orderapp.config import current_settings
from orderapp.domain.inputs import Code
from orderapp.domain.orders import RetryRequest
from orderapp.domain.states import OrderState
from orderapp.errors import CompensationInProgress, InProgress
from orderapp.services.orders import views
from orderapp.services.orders.views import OrderView
from orderapp.services.placing import submitters
from orderapp.services.placing.place import Placing
from orderapp.services.placing.submitters import Submitter
from orderapp.web import drafts
from orderapp.web.order_reference import reference_of
from orderapp.web.retry_refusals import REFUSALS, refused, shown_total
from orderapp.web.without_a_code import codes_of, leaving_out, request_of


def try_again(order: OrderView, key: str) -> ResponseReturnValue:
    """Place the order again, or without the code that the form names, and lead to its page; or say why not.

    Idempotent because both use the failed placement's only retry key: the database accepts the first,
    and answers the other with `KeyReused`.
    """
    wishes = RetryRequest(request.form.get("duplicate") == "allow", shown_total())
    left_out = named_code(order) if order.state is OrderState.FAILED else None
    try:
        placed = _submit_without(order, left_out, key, wishes) if left_out else _retry(order, key, wishes)
    except (InProgress, CompensationInProgress) as error:
        # Its page says what is being done, and offers the button as soon as it is.
        placed = views.find_order(error.order_id or order.id)
    except REFUSALS as error:
        return refused(order, key, error, left_out)
    return redirect(url_for("shop.order", reference=reference_of(placed.number)), 303)


def named_code(order: OrderView) -> Code | None:
    """Return the code that the form says to leave out."""
    return next((code for code in codes_of(order) if code.name == request.form.get("without")), None)


def _retry(order: OrderView, key: str, wishes: RetryRequest) -> OrderView:
    return Placing(current_settings()).retry(order.id, key, _visitor(order), wishes).order


def _submit_without(order: OrderView, code: Code, key: str, wishes: RetryRequest) -> OrderView:
    asked = leaving_out(code, request_of(order))
    asked = replace(asked, allow_duplicate=wishes.allow_duplicate, expected_total=wishes.expected_total)
    placed = Placing(current_settings()).submit(asked, key, _visitor(order)).order
    drafts.answer(key)
    return placed


def _visitor(order: OrderView) -> Submitter:
    return submitters.visitor(request.remote_addr, session.get("csrf_token"), order.customer)
