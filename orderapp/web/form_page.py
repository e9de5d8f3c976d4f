"""The order form: shows it, adds up its total, places its order."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace

from flask import make_response, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from orderapp.config import current_settings
from orderapp.domain.inputs import ABOUT_YOU, Code
from orderapp.domain.states import OrderState
from orderapp.errors import InvalidRequest, NotFound, OrderArchived, TooManyAttempts
from orderapp.services.orders import catalogue
from orderapp.services.orders.shop_views import find_shop_order
from orderapp.services.placing import submitters
from orderapp.services.placing.place import Placing
from orderapp.services.placing.pricing import NOT_SOLD
from orderapp.web import basket, drafts, order_form
from orderapp.web.blueprint import shop
from orderapp.web.language import gettext
from orderapp.web.order_form import OrderForm
from orderapp.web.order_reference import number_in, reference_of
from orderapp.web.summary import (
    Summary,
    at_prices,
    discounts_come_by_themselves,
    priced_inputs,
    texts_for_script,
    with_discounts,
)


@shop.get("/checkout")
def checkout() -> ResponseReturnValue:
    """Show the form with what is in the basket, or with `?again=<order page>` one with that order's products."""
    reference = request.args.get("again", "")
    if reference:
        return show_form(replace(_form_of(reference), again=reference), kind="again")
    chosen = {sku: str(quantity) for sku, quantity in basket.current().quantities.items()}
    key = drafts.key_at_hand()
    return show_form(OrderForm(key=key, quantities=chosen) if key else OrderForm(quantities=chosen))


@shop.get("/orders")
@shop.get("/total")
@shop.get("/summary")
def lead_back() -> ResponseReturnValue:
    """Lead to the form: people reload or bookmark the addresses that it is sent to."""
    return redirect(url_for("shop.checkout"), 303)


@shop.post("/total")
def preview() -> ResponseReturnValue:
    """Show the form again with its total, the discounts for its codes, and all values kept; place nothing."""
    form = sent_form()
    if not form.again:
        basket.begin_anew()
        with suppress(TooManyAttempts):  # the form has what was typed all the same
            basket.put(form.quantities)
    summary = with_discounts(form) if form.chosen() else Summary()
    return show_form(form, messages_of(InvalidRequest(summary.problems), form), 200, "preview", summary)


@shop.post("/summary")
def summary() -> ResponseReturnValue:
    """Answer with the summary alone, for the page to replace, or with nothing (204) if the order can't be priced."""
    form = sent_form()
    try:
        found = with_discounts(form)
    except InvalidRequest:
        return "", 204  # the page has no total then; its mistakes are told when it is sent
    page = render_template(
        "shop/_summary.html", summary=found, problems=messages_of(InvalidRequest(found.problems), form)
    )
    response = make_response(page)
    response.headers["Cache-Control"] = "no-store"
    return response


@shop.post("/orders")
def place() -> ResponseReturnValue:
    """Place the order and lead to its page; `unplaced` answers if that isn't possible.

    Idempotent through the form's key: the same form sent again leads to the same order.

    The page's script, which names itself in the header Sending, gets the address of the order's page.
    """
    settings, form = current_settings(), sent_form()
    content = order_form.to_request(form, settings.systems.inputs, settings.phones)
    # The CSRF token identifies the session: no form gets here without one.
    by = submitters.visitor(request.remote_addr, session.get("csrf_token"), content.customer)
    placed = Placing(settings).submit(content, form.key, by, _failed_order_of(form))
    drafts.answer(form.key)
    if not form.again:
        basket.ordered(placed.order.id)
    address = url_for("shop.order", reference=reference_of(placed.order.number))
    return {"order": address} if "Sending" in request.headers else redirect(address, 303)


def sent_form() -> OrderForm:
    """Return the form as the request has it."""
    return order_form.read(request.form, current_settings().systems.inputs)


def messages_of(error: InvalidRequest, form: OrderForm) -> dict[str, str]:
    """Return the messages about a form by its fields, in the order of the page."""
    skus = [product.sku for product in catalogue.sold_among(form.quantities)]
    gone = catalogue.names_of_unsold(form.chosen())
    # With its name instead of the general sentence.
    told = {path: messages for path, messages in error.errors.items() if not gone or messages != [NOT_SOLD]}
    found = order_form.messages_by_field(InvalidRequest(told), form, skus, current_settings().systems.inputs)
    if gone:
        named = gettext("Not sold any more, and left out here: %(products)s.", products=", ".join(gone))
        found[""] = f"{named} {found.get('', '')}".strip()
    return found


def show_form(
    form: OrderForm,
    errors: Mapping[str, str] | None = None,
    status: int = 200,
    kind: str = "",
    summary: Summary | None = None,
) -> ResponseReturnValue:
    """Render the order form with the typed values, the errors, and the order that its key has led to.

    Args:
        form: The typed values.
        errors: The messages by field.
        status: The HTTP status.
        kind: For the script that keeps drafts: `typed` where the order was sent and refused, `preview` where it was
            typed and not sent by this, `again`, or nothing for a plain visit.
        summary: What the order costs; None to add up the prices, for which no system is asked.
    """
    products, arrived = catalogue.sold_among(form.quantities), drafts.order_of(form.key)
    shown_before = drafts.is_open(form.key)
    drafts.give_out(form.key, again=bool(form.again))
    settings = current_settings()
    page = render_template(
        "shop/form.html",
        form=form,
        products=products,
        errors=errors or {},
        summary=summary or at_prices(form, products),
        texts=texts_for_script(),
        priced_inputs=priced_inputs(),
        discounted=discounts_come_by_themselves(),
        arrived=reference_of(arrived.number) if arrived else None,
        kind=kind,
        shown_before=shown_before,
        sections=_sections(settings.systems.offered_inputs()),
        home_country=settings.phones.country,
    )
    response = make_response(page, status)
    # The key belongs to this page only; coming back to the page from the history still finds it.
    response.headers["Cache-Control"] = "private, no-cache"
    return response


def _sections(inputs: Iterable[Code]) -> dict[str, list[Code]]:
    """Return the inputs by the part of the form that they stand in; the customer's own part comes first."""
    sections: dict[str, list[Code]] = {ABOUT_YOU: []}
    for code in inputs:
        sections.setdefault(code.section, []).append(code)
    return sections


def _failed_order_of(form: OrderForm) -> uuid.UUID | None:
    """Return the failed order in whose place this visitor orders with a form, None for any other form."""
    number = number_in(form.again)
    if number is None:
        return None
    try:
        order = find_shop_order(number)
    except (NotFound, OrderArchived):
        return None
    return order.id if order.state is OrderState.FAILED and drafts.is_ours(order.id) else None


def _form_of(reference: str) -> OrderForm:
    number = number_in(reference) if reference else None
    if number is None:
        return OrderForm()
    order = find_shop_order(number)
    quantities = {line.sku: str(line.quantity) for line in order.lines}
    if not drafts.is_ours(order.id) or order.is_erased:
        # The customer is left out: others who know the page's address shouldn't learn who ordered.
        return OrderForm(quantities=quantities)
    customer = order.customer
    return OrderForm(
        quantities=quantities,
        name=customer.name,
        email=customer.email,
        phone=customer.phone,
        inputs=order.inputs,
    )
