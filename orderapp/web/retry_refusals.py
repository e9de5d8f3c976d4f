"""Pages that say why a failed order wasn't placed again: what happened, and the next possible step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Response, g, make_response, render_template, request
from flask_wtf.csrf import CSRFError

from orderapp.config import current_settings
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
from orderapp.web.changed_order import Change, codes_of, without_a_code
from orderapp.web.language import declared, gettext
from orderapp.web.language import lazy_gettext as _
from orderapp.web.order_form import read_money
from orderapp.web.order_reference import reference_of
from orderapp.web.summary import pay_button

REFUSALS = (Conflict, InvalidRequest, OrderArchived, TooManyAttempts, DatabaseUnavailable, Overloaded)
NOT_DONE = _("Nothing was ordered by this.")
Words = dict[str, Any]


def refused(order: OrderView, key: str, error: OrderappError | CSRFError, change: Change | None) -> Response:
    """Say why the order wasn't placed again, and offer what can be done now."""
    why = next(why for why in REFUSED if isinstance(error, why.error))
    wait = getattr(error, "retry_after_seconds", None)
    words = {
        "title": why.title,
        "text": why.text % {"nothing": NOT_DONE, "wait": wait and formats.duration(wait), "number": _number_of(error)},
        "is_over": why.is_over,
        "button": gettext("Try again"),
        "change": change.fields if change else [],
        "expected_total": shown_total(),
        **why.more(order, error),
    }
    if isinstance(error, OrderappError):
        g.refusal = error.code  # for the log and the count of refusals: it was answered here, not as an error
    page = render_template("shop/retry_refused.html", reference=reference_of(order.number), key=key, **words)
    response = make_response(page, why.status)
    response.headers["Cache-Control"] = "no-store"
    if isinstance(error, TooManyAttempts | Overloaded):
        response.headers["Retry-After"] = str(wait)
    return response


def _number_of(error: OrderappError | CSRFError) -> str:
    return error.number if isinstance(error, OrderArchived) else ""


def shown_total() -> Money | None:
    """Return the total that the customer was shown; None if the page couldn't show it."""
    return read_money(request.form.get("expected_total", ""))


def _offer_without(order: OrderView, error: InvalidRequest) -> Words:
    inputs = current_settings().systems.inputs
    wrong = {name for name, code in inputs.items() if code.path in error.errors}
    lost = next((code for code in codes_of(order) if wrong & {code.name, code.needs}), None)
    if lost is None:
        return {"button": ""}
    return {
        "title": gettext("Your %(code)s can't be used any more", code=declared(lost.called)),
        "text": gettext(
            "It isn't known any more. %(nothing)s You can order without it; all the rest is kept.", nothing=NOT_DONE
        ),
        "button": "",
        "offers": [without_a_code(order, lost)],
    }


def _show_the_other(order: OrderView, error: KeyReused) -> Words:
    if error.order_id == order.id:
        text = gettext(
            "Perhaps in another tab, with the code. %(nothing)s The order's page says what came of it.",
            nothing=NOT_DONE,
        )
        return {"title": gettext("This order was tried again meanwhile"), "text": text}
    try:
        return {"other_reference": reference_of(views.find_order(error.order_id).number)}
    except NotFound:
        return {"text": gettext("That order is archived by now. %(nothing)s", nothing=NOT_DONE)}


def _offer_twice(_order: OrderView, error: ProbableDuplicate) -> Words:
    other = views.find_order(error.order_id).number if drafts.is_ours(error.order_id) else None
    return {
        "button": gettext("Place it all the same"),
        "allow_duplicate": True,
        "other_reference": reference_of(other) if other else None,
    }


def _offer_at_the_new_total(order: OrderView, error: TotalChanged) -> Words:
    return {
        "button": pay_button(error.total),
        "changed": error,
        "before": {line.sku: line.price for line in order.lines},
        "total_before": shown_total(),
        "expected_total": error.total,
    }


@dataclass(frozen=True, slots=True)
class Refused:
    """What customers are told of a kind of error, and offered. `more` adds to the words, or replaces some."""

    error: type[Exception]
    status: int
    title: str
    text: str  # with %(nothing)s, %(wait)s and %(number)s
    more: Callable[[OrderView, Any], Words] = lambda _order, _error: {}
    is_over: bool = False  # nothing is left to do here


# By kind of error; the first match counts.
REFUSED = (
    Refused(
        ProbableDuplicate,
        409,
        _("You have ordered exactly this meanwhile"),
        _("The same order was placed a moment ago, apart from this one. %(nothing)s"),
        _offer_twice,
    ),
    Refused(
        TotalChanged,
        409,
        _("The price has changed"),
        _("Since you saw the page, your order has come to cost something else. %(nothing)s"),
        _offer_at_the_new_total,
    ),
    Refused(
        KeyReused,
        409,
        _("You have ordered this anew meanwhile"),
        _("Perhaps in another tab: another order stands in the place of this one. %(nothing)s"),
        _show_the_other,
        is_over=True,
    ),
    Refused(
        Conflict,
        409,
        _("This order can't be tried again now"),
        _("Somebody was quicker, perhaps you in another tab. %(nothing)s The order's page says where it stands."),
        is_over=True,
    ),
    Refused(
        InvalidRequest,
        400,
        _("Something in your order can't be had any more"),
        _("%(nothing)s Change the order: what is still sold is kept."),
        _offer_without,
    ),
    Refused(
        OrderArchived,
        410,
        _("You ordered this anew long ago"),
        _("It is our order %(number)s, and is archived by now. %(nothing)s"),
        is_over=True,
    ),
    Refused(
        TooManyOrders,
        429,
        _("Too many orders at once"),
        _(
            "A great many orders came from your network, browser, e-mail address or phone. %(nothing)s "
            "Wait %(wait)s, then try again; all of it is kept."
        ),
    ),
    Refused(
        TooManyAttempts,
        429,
        _("That was tried too often"),
        _("Too many codes were tried. %(nothing)s Wait %(wait)s, then try again; all of it is kept."),
    ),
    Refused(
        CSRFError,
        400,
        _("Please press the button once more"),
        _(
            "This page was open for too long, or your browser sent no cookie. Nothing was changed by this; if you come "
            "here each time, allow cookies for this site in your browser's settings."
        ),
    ),
    Refused(
        Overloaded,
        503,
        _("A great many orders are coming in"),
        _("This try was turned away, and did nothing. Try again in a moment: it isn't placed twice."),
    ),
    Refused(
        DatabaseUnavailable,
        503,
        _("We can't take orders at this moment"),
        _("We don't know yet whether your order was placed again. Try again in a minute: it isn't placed twice."),
    ),
)
