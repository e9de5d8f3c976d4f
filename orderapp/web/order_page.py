"""The page of an order: its state, followed while it changes, and the button to try again."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from typing import Any

from flask import Response, abort, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError

from orderapp.config import current_settings
from orderapp.errors import Overloaded
from orderapp.services.orders.views import OrderView
from orderapp.web import customer, drafts, retry_page
from orderapp.web.address_page import address_shown
from orderapp.web.blueprint import shop
from orderapp.web.cancel_page import cancel_window
from orderapp.web.changed_order import discounting, offers_of, request_of, shortage_of, successor
from orderapp.web.order_reference import order_named, reference_of, retry_key, retry_key_of
from orderapp.web.order_texts import Story, story_of
from orderapp.web.retry_refusals import refused
from orderapp.web.summary import tax_in


@shop.get("/orders/<reference>")
def order(reference: str) -> ResponseReturnValue:
    """Show the order's state. Whoever has signed in gets to their own orders by the number alone."""
    if customer.has_ordered(reference):
        return redirect(url_for("shop.order", reference=reference_of(reference)), 303)
    drafts.answer_order(order_named(reference).id)
    return _render("shop/order.html", reference, now=dt.datetime.now(dt.UTC))


@shop.get("/orders/<reference>/status")
def status(reference: str) -> ResponseReturnValue:
    """Return the changing part of the page alone, for the page to replace."""
    return _render("shop/_story.html", reference)


@shop.post("/orders/<reference>/retry")
def retry(reference: str) -> ResponseReturnValue:
    """Place a failed order again and lead to its page, which shows the result; or ask first (`retry_page`)."""
    found = order_named(reference)
    # Only our own keys, also from an old tab: a double press could not be recognised under any other key.
    key = retry_key_of(request.form.get("key", ""), found.number, found.placements)
    if key is None:
        abort(400)
    return retry_page.try_again(found, key)


def ask_again(error: CSRFError | Overloaded) -> ResponseReturnValue:
    """Ask the customer to press the button again, on a page with a fresh token.

    Keeps the key that was sent if it is one of ours: an earlier press may have placed the order under it.
    """
    found = order_named((request.view_args or {})["reference"])
    sent = retry_key_of(request.form.get("key", ""), found.number, found.placements)
    key = sent or retry_key(found.number, found.placements)
    return refused(found, key, error, retry_page.named_change(found))


@shop.get("/orders/<reference>/retry")
@shop.get("/orders/<reference>/again")
def lead_to_order(reference: str) -> ResponseReturnValue:
    """Lead to the order's page: people reload or bookmark the addresses that its buttons send to."""
    return redirect(url_for("shop.order", reference=reference), 303)


@shop.app_template_global("seen_by_customer")
def seen_by_customer(order: OrderView) -> tuple[Story, str]:
    """Return what an order's page says now and its address, for staff who talk with the customer."""
    systems, address = current_settings().systems, url_for("shop.order", reference=reference_of(order.number))
    return story_of(order, systems), f"{current_settings().public_url}{address}"


def _render(template: str, reference: str, **context: Any) -> Response:
    found = order_named(reference)
    shown = {
        "story": story_of(found, current_settings().systems),
        "window": cancel_window(found),
        "address": address_shown(found),
        "tax": tax_in(found.total, found.payments, found.tax_percent),
        "key": retry_key(found.number, found.placements),
        "offers": offers_of(found),
        "sold_out": shortage_of(found) is not None,
        "successor": successor(found),
        # With a code whose discount isn't known yet, the amount shown isn't the total.
        "expected_total": None if discounting(request_of(found)) and not found.discounts else found.total,
    }
    page = render_template(template, order=found, reference=reference, version=_version(shown), **shown, **context)
    response = make_response(page)
    response.headers["Cache-Control"] = "no-store"
    return response


def _version(shown: Mapping[str, object]) -> str:
    """Return a hash of the page's content: an open page is replaced only if it differs."""
    return hashlib.sha256(repr(shown).encode()).hexdigest()[:16]
