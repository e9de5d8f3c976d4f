"""Trying a failed order again: what is asked first, what is said where it can't be, and the next step that is left."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from flask import Response, make_response, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError

from orderapp.config import current_settings
from orderapp.currencies import amount_text
from orderapp.domain.money import Money
from orderapp.domain.orders import LineRequest, OrderRequest, RetryRequest
from orderapp.domain.outcome import Outcome
from orderapp.domain.states import OrderState
from orderapp.errors import (
    Conflict,
    DatabaseUnavailable,
    InvalidRequest,
    OrderappError,
    Overloaded,
    ProbableDuplicate,
    TooManyAttempts,
    TotalChanged,
)
from orderapp.services import guessing, order_limits, order_view
from orderapp.services.order_view import OrderView
from orderapp.services.placing import Placing
from orderapp.web import drafts, formats
from orderapp.web.order_form import read_money
from orderapp.web.order_reference import key_without, reference_of

CODE_FIELDS = ("coupon", "benefit")
NOT_DONE = "Nothing was ordered by this."


@dataclass(frozen=True, slots=True)
class Without:
    """The order once more without one of its codes: as a new order, since this one's earlier placements used the code.

    Args:
        code_field: Which code is left out.
        key: The new order's; the same for every tab and press.
        total: What it would cost, as far as the discounts are known.
        is_known: Whether they are.

    """

    code_field: str
    key: str
    total: Money
    is_known: bool


def without_a_code(order: OrderView, code_field: str) -> Without:
    """Return the order without one of its codes."""
    left = [one for one in order.discounts if one.code != getattr(order, code_field)]
    total = replace(order.subtotal, minor=order.subtotal.minor - sum(one.amount.minor for one in left))
    others = [name for name in CODE_FIELDS if name != code_field and getattr(order, name)]
    return Without(code_field, key_without(code_field, order.number, order.placements), total, len(left) == len(others))


def refused_code(order: OrderView) -> str | None:
    """Return the field of the code by which a failed order was refused: tried again as it is, it would be again."""
    stopped = order.stopped
    if order.state is not OrderState.FAILED or stopped is None or stopped.outcome is not Outcome.REFUSED:
        return None
    system = current_settings().systems.get(stopped.system)
    asked = request_of(order)
    if system is None or not system.concerns(asked):
        return None
    # The codes without which the system would have no part in the order.
    return next((name for name in CODE_FIELDS if not system.concerns(_leaving_out(name, asked))), None)


def successor(order: OrderView) -> str | None:
    """Return the page name of the order that was placed in this one's stead, without a code."""
    if order.state is not OrderState.FAILED or not (order.coupon or order.benefit):
        return None
    for name in CODE_FIELDS:
        found = drafts.order_of(key_without(name, order.number, order.placements))
        if found:
            return reference_of(found.number)
    return None


def request_of(order: OrderView) -> OrderRequest:
    """Return what was asked for with an order."""
    lines = tuple(LineRequest(line.sku, line.quantity) for line in order.lines)
    return OrderRequest(order.customer, lines, order.coupon, order.benefit)


def _leaving_out(code_field: str, asked: OrderRequest) -> OrderRequest:
    return replace(asked, coupon="") if code_field == "coupon" else replace(asked, benefit="")


def _submit(placing: Placing, asked: OrderRequest, key: str) -> OrderView:
    browser = session.get("csrf_token")
    guessers = guessing.guessers_of_visitor(request.remote_addr, browser)
    sources = order_limits.sources_of_visitor(request.remote_addr, browser, asked.customer)
    with guessing.counting(guessers, asked):
        return placing.submit(asked, key, guessers=guessers, sources=sources).order


def _shown_total() -> Money | None:
    return read_money(request.form.get("expected_total", ""))


def try_again(order: OrderView, key: str) -> ResponseReturnValue:
    """Place the order again, or without the code that the form names, and lead to its page; or say what is in the way.

    Idempotent because both have one key per failed placement.
    """
    there = successor(order)
    if there:
        return redirect(url_for("shop.order", reference=there), 303)
    sent = request.form
    allow, expected = sent.get("duplicate") == "allow", _shown_total()
    placing, left_out = Placing(current_settings()), sent.get("without", "")
    try:
        if left_out in CODE_FIELDS and order.state is OrderState.FAILED:
            asked = replace(request_of(order), allow_duplicate=allow, expected_total=expected)
            new_key = key_without(left_out, order.number, order.placements)
            order = _submit(placing, _leaving_out(left_out, asked), new_key)
            drafts.answer(new_key)
        else:
            placing.retry(order.id, key, wishes=RetryRequest(allow, expected))
    except (ProbableDuplicate, TotalChanged, InvalidRequest, TooManyAttempts, DatabaseUnavailable, Overloaded) as error:
        return refused(order, key, error, left_out if left_out in CODE_FIELDS else "")
    except Conflict:
        pass  # it is being undone still, or somebody was quicker: the page says where it stands now
    return redirect(url_for("shop.order", reference=reference_of(order.number)), 303)


def refused(order: OrderView, key: str, error: OrderappError | CSRFError, left_out: str) -> Response:
    """Say why the order wasn't placed again, and offer what can be done now."""
    status, words = _words(order, error)
    words = {"button": "Try again", "without": left_out, "expected_total": _shown_total(), **words}
    page = render_template("shop/retry_refused.html", reference=reference_of(order.number), key=key, **words)
    response = make_response(page, status)
    response.headers["Cache-Control"] = "no-store"
    if isinstance(error, TooManyAttempts | Overloaded):
        response.headers["Retry-After"] = str(error.retry_after_seconds)
    return response


def _words(order: OrderView, error: OrderappError | CSRFError) -> tuple[int, dict[str, Any]]:
    if isinstance(error, ProbableDuplicate):
        return 409, _of_duplicate(error)
    if isinstance(error, TotalChanged):
        return 409, _of_another_total(order, error)
    if isinstance(error, InvalidRequest):
        return _what_is_gone(order, error)
    if isinstance(error, TooManyAttempts):
        wait = formats.duration(error.retry_after_seconds)
        return 429, {"title": "That was tried too often", "text": f"{NOT_DONE} Wait {wait}, then try again."}
    if isinstance(error, CSRFError):
        return 400, {
            "title": "Please press the button once more",
            "text": "This page was open for too long, or your browser sent no cookie. Nothing was changed by this; if "
            "you come here each time, allow cookies for this site in your browser's settings.",
        }
    return 503, {
        "title": "We can't take orders at this moment",
        "text": "We don't know yet whether your order was placed again. Try again in a minute: it isn't placed twice.",
    }


def _what_is_gone(order: OrderView, error: InvalidRequest) -> tuple[int, dict[str, Any]]:
    lost = [name for name in CODE_FIELDS if getattr(order, name) and name in error.errors]
    if not lost and "customer.member_ref" in error.errors and order.benefit:
        lost = ["benefit"]
    if lost:
        offer = without_a_code(order, lost[0])
        return 400, {
            "title": f"Your {lost[0]} can't be used any more",
            "text": f"It isn't known any more. {NOT_DONE} You can order without it; all the rest is kept.",
            "button": "",
            "offer": offer,
        }
    return 400, {
        "title": "Something in your order can't be had any more",
        "text": f"{NOT_DONE} Change the order: what is still sold is kept.",
        "button": "",
    }


def _of_duplicate(error: ProbableDuplicate) -> dict[str, Any]:
    other = order_view.find_order(error.order_id).number if drafts.is_ours(error.order_id) else None
    return {
        "title": "You have ordered exactly this meanwhile",
        "text": f"The same order was placed a moment ago, apart from this one. {NOT_DONE}",
        "button": "Place it all the same",
        "allow_duplicate": True,
        "other_reference": reference_of(other) if other else None,
    }


def _of_another_total(order: OrderView, error: TotalChanged) -> dict[str, Any]:
    return {
        "title": "The price has changed",
        "text": f"Since you saw the page, your order has come to cost something else. {NOT_DONE}",
        "button": f"Order for {amount_text(error.total)}",
        "changed": error,
        "before": {line.sku: line.price for line in order.lines},
        "total_before": _shown_total(),
        "expected_total": error.total,
    }
