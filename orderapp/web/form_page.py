"""The order form: showing it, totting it up, placing what it says."""

from __future__ import annotations

from collections.abc import Mapping

from flask import make_response, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from orderapp.config import current_settings
from orderapp.services import catalogue, guessing, order_limits
from orderapp.services.catalogue import ProductView
from orderapp.services.placing import Placing
from orderapp.services.shop_orders import find_shop_order
from orderapp.web import formats, order_form
from orderapp.web.blueprint import shop
from orderapp.web.order_form import OrderForm
from orderapp.web.order_reference import number_in, reference_of


@shop.get("/")
def index() -> ResponseReturnValue:
    """Show an empty form, or with `?again=<order page>` one with that order's products."""
    return show_form(_form_of(request.args.get("again", "")))


@shop.post("/total")
def preview() -> ResponseReturnValue:
    """Show the form again with its total, everything kept; places nothing."""
    return show_form(order_form.read(request.form))


@shop.post("/orders")
def place() -> ResponseReturnValue:
    """Place the order and lead to its page; what can't be placed is answered in `unplaced`.

    Idempotent because the form's key goes with it: sent again, it leads to the same order.
    """
    form = order_form.read(request.form)
    content = order_form.to_request(form, current_settings().phones)
    # A session is known by its CSRF token: no form comes here without one.
    browser = session.get("csrf_token")
    guessers = guessing.guessers_of_visitor(request.remote_addr, browser)
    sources = order_limits.sources_of_visitor(request.remote_addr, browser, content.customer)
    with guessing.counting(guessers, content):
        placed = Placing(current_settings()).submit(content, form.key, guessers=guessers, sources=sources)
    return redirect(url_for("shop.order", reference=reference_of(placed.order.number)), 303)


def show_form(form: OrderForm, errors: Mapping[str, str] | None = None, status: int = 200) -> ResponseReturnValue:
    """Render the order form with what was typed and what is wrong with it."""
    products = catalogue.list_products()
    page = render_template(
        "shop/form.html", form=form, products=products, errors=errors or {}, total=_total(form, products)
    )
    response = make_response(page, status)
    # The key belongs to this page only; coming back to the page from the history still finds it.
    response.headers["Cache-Control"] = "private, no-cache"
    return response


def _total(form: OrderForm, products: list[ProductView]) -> str:
    chosen = form.chosen()
    return formats.sum_text(product.price.times(chosen[product.sku]) for product in products if product.sku in chosen)


def _form_of(reference: str) -> OrderForm:
    number = number_in(reference) if reference else None
    if number is None:
        return OrderForm()
    # Who ordered is left out: whoever was shown the page's address shouldn't learn it.
    lines = find_shop_order(number).lines
    return OrderForm(quantities={line.sku: str(line.quantity) for line in lines})
