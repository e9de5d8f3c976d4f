"""A customer's own page: signing in by a link that is sent by mail, their orders, signing out."""

from __future__ import annotations

from typing import Any

from flask import Response, abort, flash, make_response, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from orderapp.config import current_settings
from orderapp.domain.typed_text import hidden_in
from orderapp.errors import InvalidRequest, MailUnavailable, TooManyAttempts
from orderapp.services.access import customer_sessions
from orderapp.services.orders.own_orders import own_orders
from orderapp.services.orders.sign_in import can_sign_in, send_link
from orderapp.web import customer
from orderapp.web.blueprint import shop
from orderapp.web.language import current, gettext
from orderapp.web.order_texts import story_of
from orderapp.web.proof_refusals import refusal_of

# In the visitor's session: where the link was sent to.
_SENT_TO = "link-sent-to"


@shop.app_template_global("can_sign_in")
def is_offered() -> bool:
    """Return whether customers of this shop can sign in."""
    return can_sign_in(current_settings())


@shop.get("/account")
def account() -> ResponseReturnValue:
    """Show the customer's orders, newest first; or ask for an address to send the link to."""
    _refuse_unoffered()
    email = customer.address()
    if email is None:
        return _page("shop/account.html")
    after = request.args.get("after", "")
    page = own_orders(email, "" if hidden_in(after) else after)
    systems = current_settings().systems
    orders = [(order, story_of(order, systems).title) for order in page.orders]
    return _page("shop/own_orders.html", email=email, orders=orders, page=page)


@shop.post("/account")
def ask_for_link() -> ResponseReturnValue:
    """Send a link to the typed address, and lead to the page that says so. It is the same for every address."""
    _refuse_unoffered()
    typed = request.form.get("email", "").strip()
    try:
        email = send_link(typed, request.remote_addr, _link_to, current(), current_settings())
    except (InvalidRequest, TooManyAttempts, MailUnavailable) as error:
        status, errors, headers = refusal_of(error)
        response = _page("shop/account.html", status, errors=errors, typed=typed)
        response.headers.extend(headers)
        return response
    session[_SENT_TO] = email
    return redirect(url_for("shop.link_sent"), 303)


@shop.get("/account/sent")
def link_sent() -> ResponseReturnValue:
    """Say where the link was sent to."""
    email = session.get(_SENT_TO)
    return _page("shop/link_sent.html", email=email) if email else redirect(url_for("shop.account"), 303)


@shop.get("/account/links/<token>")
def link(token: str) -> ResponseReturnValue:
    """Show the button that signs in: programs that look through mails open links, and would use it up."""
    email = customer_sessions.address_of(token)
    return _used_up() if email is None else _page("shop/link.html", email=email, token=token)


@shop.post("/account/links/<token>")
def sign_in(token: str) -> ResponseReturnValue:
    """Use the link up, and lead to the customer's orders."""
    opened = customer_sessions.sign_in(token, customer.token_sent())
    if opened is None:
        return _used_up()
    session.pop(_SENT_TO, None)
    response = redirect(url_for("shop.account"), 303)
    customer.give_cookie(response, opened)
    return response


@shop.post("/account/sign-out")
def sign_out() -> ResponseReturnValue:
    """End the session for good, wherever its cookie has been copied to."""
    customer_sessions.sign_out(customer.token_sent())
    flash(gettext("You are signed out."), "success")
    response = redirect(url_for("shop.account"), 303)
    customer.take_cookie(response)
    return response


def _link_to(token: str) -> str:
    return url_for("shop.link", token=token)


def _refuse_unoffered() -> None:
    if not is_offered():
        abort(404)


def _used_up() -> Response:
    text = gettext("This link was used, or is too old. Nothing was changed; have another one sent.")
    return _page("shop/account.html", 410, errors={"": text})


def _page(template: str, status: int = 200, **values: Any) -> Response:
    response = make_response(render_template(template, **({"errors": {}, "typed": ""} | values)), status)
    response.headers["Cache-Control"] = "no-store"
    return response
