"""Correcting the e-mail address of an order: a new address, then the code that was sent to it."""

from __future__ import annotations

from typing import Any

from flask import Response, flash, make_response, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from orderapp.config import current_settings
from orderapp.domain.customers import masked_email
from orderapp.errors import InvalidRequest, MailUnavailable, TooManyAttempts, WrongState
from orderapp.services.orders.address_corrections import can_correct, correct, send_code
from orderapp.services.orders.views import OrderView
from orderapp.web.blueprint import shop
from orderapp.web.language import gettext
from orderapp.web.order_reference import order_named
from orderapp.web.proof_refusals import refusal_of

# In the visitor's session: order number, new address, and when the code was sent. The session is signed.
_ASKED = "address"


def address_shown(order: OrderView) -> dict[str, str | bool]:
    """Return what an order's page says of its address: who only has the link can't read it."""
    return {"masked": masked_email(order.mail_to), "can_correct": can_correct(order, current_settings().systems)}


@shop.get("/orders/<reference>/email")
def address(reference: str) -> ResponseReturnValue:
    """Ask for the right address."""
    order = order_named(reference)
    if not can_correct(order, current_settings().systems):
        return _to_order(reference)
    return _page("shop/address.html", order, reference)


@shop.post("/orders/<reference>/email")
def ask_for_code(reference: str) -> ResponseReturnValue:
    """Send a code to the typed address, and lead to the page that asks for it."""
    order, typed = order_named(reference), request.form.get("email", "").strip()
    try:
        email, issued_at = send_code(order, typed, request.remote_addr, current_settings())
    except WrongState:
        return _to_order(reference)
    except (InvalidRequest, TooManyAttempts, MailUnavailable) as error:
        return _refused("shop/address.html", order, reference, error, typed=typed)
    session[_ASKED] = [order.number, email, issued_at]
    return redirect(url_for("shop.address_code", reference=reference), 303)


@shop.get("/orders/<reference>/email/code")
def address_code(reference: str) -> ResponseReturnValue:
    """Ask for the code."""
    order = order_named(reference)
    asked = _asked(order)
    if asked is None or not can_correct(order, current_settings().systems):
        return redirect(url_for("shop.address", reference=reference), 303)
    return _page("shop/address_code.html", order, reference, email=asked[0])


@shop.post("/orders/<reference>/email/code")
def correct_address(reference: str) -> ResponseReturnValue:
    """Correct the address if the code is right, and lead to the order's page."""
    order = order_named(reference)
    asked = _asked(order)
    if asked is None:
        return redirect(url_for("shop.address", reference=reference), 303)
    email, issued_at = asked
    try:
        correct(order, email, issued_at, request.form.get("code", ""), current_settings())
    except WrongState:
        return _to_order(reference)
    except (InvalidRequest, TooManyAttempts) as error:
        return _refused("shop/address_code.html", order, reference, error, email=email)
    session.pop(_ASKED, None)
    text = gettext("Your e-mail address is corrected. We send the confirmation to %(email)s again.", email=email)
    flash(text, "success")
    return _to_order(reference)


def _asked(order: OrderView) -> tuple[str, int] | None:
    number, email, issued_at = session.get(_ASKED, ("", "", 0))
    return (email, issued_at) if number == order.number else None


def _to_order(reference: str) -> ResponseReturnValue:
    return redirect(url_for("shop.order", reference=reference), 303)


def _refused(
    template: str,
    order: OrderView,
    reference: str,
    error: InvalidRequest | TooManyAttempts | MailUnavailable,
    **values: str,
) -> Response:
    status, errors, headers = refusal_of(error)
    response = _page(template, order, reference, status, errors=errors, **values)
    response.headers.extend(headers)
    return response


def _page(template: str, order: OrderView, reference: str, status: int = 200, **values: Any) -> Response:
    shown = {"errors": {}, "typed": "", "masked": masked_email(order.mail_to)} | values
    response = make_response(render_template(template, order=order, reference=reference, **shown), status)
    response.headers["Cache-Control"] = "no-store"
    return response
