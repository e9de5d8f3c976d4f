"""Pages that say why a failed order wasn't placed again: what happened, and the next possible step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Response, g, make_response, render_template, request
from flask_wtf.csrf import CSRFError

from orderapp.config import current_settings
from orderapp.currencies import amount_text
from orderapp.domain.inputs import Code
from orderapp.domain.money import Money
from orderapp.errors import (
    Conflict,
    DatabaseUnavailable,
    InvalidRequest,
    KeyReused,
    NotFound,
    OrderappError,
    OrderArchived,
    Overloaded,
    ProbableDuplicate,
    TooManyAttempts,
    TooManyOrders,
    TotalChanged,
)
from orderapp.services.orders import views
from orderapp.services.orders.views import OrderView
from orderapp.web import drafts, formats
from orderapp.web.order_form import read_money
from orderapp.web.order_reference import reference_of
from orderapp.web.without_a_code import codes_of, without_a_code

REFUSALS = (Conflict, InvalidRequest, OrderArchived, TooManyAttempts, DatabaseUnavailable, Overloaded)
NOT_DONE = "Nothing was ordered by this."
Words = dict[str, Any]


def refused(order: OrderView, key: str, error: OrderappError | CSRFError, left_out: Code | None) -> Response:
    """Say why the order wasn't placed again, and offer what can be done now."""
    status, words_of = next((status, words) for kind, status, words in WORDS if isinstance(error, kind))
    words = {
        "button": "Try again",
        "without": left_out.name if left_out else "",
        "expected_total": shown_total(),
        **words_of(order, error),
    }
    if isinstance(error, OrderappError):
        g.refusal = error.code  # for the log and the count of refusals: it was answered here, not as an error
    page = render_template("shop/retry_refused.html", reference=reference_of(order.number), key=key, **words)
    response = make_response(page, status)
    response.headers["Cache-Control"] = "no-store"
    if isinstance(error, TooManyAttempts | Overloaded):
        response.headers["Retry-After"] = str(error.retry_after_seconds)
    return response


def shown_total() -> Money | None:
    """Return the total that the customer was shown; None if the page couldn't show it."""
    return read_money(request.form.get("expected_total", ""))


def _what_is_gone(order: OrderView, error: InvalidRequest) -> Words:
    declared = current_settings().systems.inputs
    wrong = {name for name, code in declared.items() if code.path in error.errors}
    lost = next((code for code in codes_of(order) if wrong & {code.name, code.needs}), None)
    if lost:
        offer = without_a_code(order, lost)
        return {
            "title": f"Your {lost.called} can't be used any more",
            "text": f"It isn't known any more. {NOT_DONE} You can order without it; all the rest is kept.",
            "button": "",
            "offer": offer,
        }
    return {
        "title": "Something in your order can't be had any more",
        "text": f"{NOT_DONE} Change the order: what is still sold is kept.",
        "button": "",
    }


def _of_the_key(order: OrderView, error: KeyReused) -> Words:
    if error.order_id == order.id:
        text = f"Perhaps in another tab, with the code. {NOT_DONE} The order's page says what came of it."
        return {"title": "This order was tried again meanwhile", "text": text, "is_over": True}
    title = "You have ordered this anew meanwhile"
    try:
        other = reference_of(views.find_order(error.order_id).number)
    except NotFound:
        return {"title": title, "text": f"That order is archived by now. {NOT_DONE}", "is_over": True}
    return {
        "title": title,
        "text": f"Perhaps in another tab: another order stands in the place of this one. {NOT_DONE}",
        "is_over": True,
        "other_reference": other,
    }


def _of_the_state(_order: OrderView, _error: Conflict) -> Words:
    text = f"Somebody was quicker, perhaps you in another tab. {NOT_DONE} The order's page says where it stands."
    return {"title": "This order can't be tried again now", "text": text, "is_over": True}


def _of_the_archive(_order: OrderView, error: OrderArchived) -> Words:
    text = f"It is our order {error.number}, and is archived by now. {NOT_DONE}"
    return {"title": "You ordered this anew long ago", "text": text, "is_over": True}


def _of_duplicate(_order: OrderView, error: ProbableDuplicate) -> Words:
    other = views.find_order(error.order_id).number if drafts.is_ours(error.order_id) else None
    return {
        "title": "You have ordered exactly this meanwhile",
        "text": f"The same order was placed a moment ago, apart from this one. {NOT_DONE}",
        "button": "Place it all the same",
        "allow_duplicate": True,
        "other_reference": reference_of(other) if other else None,
    }


def _of_another_total(order: OrderView, error: TotalChanged) -> Words:
    return {
        "title": "The price has changed",
        "text": f"Since you saw the page, your order has come to cost something else. {NOT_DONE}",
        "button": f"Order for {amount_text(error.total)}",
        "changed": error,
        "before": {line.sku: line.price for line in order.lines},
        "total_before": shown_total(),
        "expected_total": error.total,
    }


def _of_many_orders(_order: OrderView, error: TooManyOrders) -> Words:
    text = (
        f"A great many orders came from your network, browser, e-mail address or phone. {NOT_DONE} "
        f"Wait {formats.duration(error.retry_after_seconds)}, then try again; all of it is kept."
    )
    return {"title": "Too many orders at once", "text": text}


def _of_many_codes(_order: OrderView, error: TooManyAttempts) -> Words:
    wait = formats.duration(error.retry_after_seconds)
    text = f"Too many codes were tried. {NOT_DONE} Wait {wait}, then try again; all of it is kept."
    return {"title": "That was tried too often", "text": text}


def _of_the_token(_order: OrderView, _error: CSRFError) -> Words:
    text = (
        "This page was open for too long, or your browser sent no cookie. Nothing was changed by this; if you come "
        "here each time, allow cookies for this site in your browser's settings."
    )
    return {"title": "Please press the button once more", "text": text}


def _of_the_crowd(_order: OrderView, _error: Overloaded) -> Words:
    text = "This try was turned away, and did nothing. Try again in a moment: it isn't placed twice."
    return {"title": "A great many orders are coming in", "text": text}


def _of_the_database(_order: OrderView, _error: DatabaseUnavailable) -> Words:
    text = "We don't know yet whether your order was placed again. Try again in a minute: it isn't placed twice."
    return {"title": "We can't take orders at this moment", "text": text}


# Status and text by kind of error; the first match counts.
WORDS: tuple[tuple[type[Exception], int, Callable[[OrderView, Any], Words]], ...] = (
    (ProbableDuplicate, 409, _of_duplicate),
    (TotalChanged, 409, _of_another_total),
    (KeyReused, 409, _of_the_key),
    (Conflict, 409, _of_the_state),
    (InvalidRequest, 400, _what_is_gone),
    (OrderArchived, 410, _of_the_archive),
    (TooManyOrders, 429, _of_many_orders),
    (TooManyAttempts, 429, _of_many_codes),
    (CSRFError, 400, _of_the_token),
    (Overloaded, 503, _of_the_crowd),
    (DatabaseUnavailable, 503, _of_the_database),
)
