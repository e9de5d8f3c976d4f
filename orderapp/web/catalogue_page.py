"""The shop's front page: what is for sale, with search and categories, and the basket."""

from __future__ import annotations

from collections.abc import Mapping

from flask import flash, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from orderapp.domain.typed_text import hidden_in, trimmed
from orderapp.errors import InvalidRequest
from orderapp.services.orders import catalogue
from orderapp.web import basket, drafts
from orderapp.web.blueprint import shop
from orderapp.web.language import gettext
from orderapp.web.order_form import quantities_in
from orderapp.web.order_reference import reference_of
from orderapp.web.stock_states import told_of
from orderapp.web.summary import at_prices_of

LONGEST_SEARCH = 60  # characters; names have up to 200, and people type a word or two
LONGEST_SKU = 64


@shop.get("/")
def index() -> ResponseReturnValue:
    """Show a page of what is for sale.

    `?again=<order page>` leads to the form with that order's products, `?new=1` begins a new order.
    """
    if request.args.get("again"):
        return redirect(url_for("shop.checkout", again=request.args["again"]), 303)
    if "new" in request.args:
        drafts.close_lost()
    basket.begin_anew()
    asked = _asked(request.args)
    page, chosen = catalogue.page_of_products(**asked), basket.current()
    lost = drafts.lost_answer()
    arrived = drafts.order_of(lost) if lost else None
    response = make_response(
        render_template(
            "shop/catalogue.html",
            page=page,
            asked=asked,
            categories=catalogue.categories(),
            basket=chosen,
            left=told_of(product.sku for product in page.products),
            summary=at_prices_of(chosen.quantities, chosen.products),
            arrived=reference_of(arrived.number) if arrived else None,
            kind="",
        )
    )
    response.headers["Cache-Control"] = "private, no-cache"
    return response


@shop.post("/basket")
def choose() -> ResponseReturnValue:
    """Set how many of some products are in the basket, and lead back to the page; for the script, the bar alone."""
    typed = quantities_in(request.form)
    basket.begin_anew()
    try:
        basket.put(typed)
        status = 200
    except InvalidRequest:
        status = 409  # the page says what is in the basket, and that no more different products fit
    if "Basket" in request.headers:
        chosen = basket.current()
        summary = at_prices_of(chosen.quantities, chosen.products)
        return render_template("shop/_bar.html", basket=chosen, summary=summary, full=status == 409), status
    if status == 409:
        flash(gettext("At most 100 different products can be ordered at once."), "warning")
    asked = _asked(request.form)
    anchor = f"product-{next(iter(typed))}" if typed else None
    page = url_for(
        "shop.index",
        search=asked["search"] or None,
        category=asked["category"] or None,
        after=asked["after"] or None,
        _anchor=anchor,
    )
    return redirect(page, 303)


def ask_again() -> ResponseReturnValue:
    """Say that nothing was put into the basket: the page was open for too long, or cookies are off."""
    text = gettext(
        "This page was open for too long, or your browser sent no cookie, and without one nothing can be kept in a "
        "basket. Go to the start page and choose once more; if you come here each time, allow cookies for this site."
    )
    page = render_template("error.html", title=gettext("Nothing was put into your basket"), text=text, request_id=None)
    return page, 400, {"Cache-Control": "no-store"}


@shop.get("/basket")
def lead_to_products() -> ResponseReturnValue:
    """Lead to the products: people reload the address that their buttons send to."""
    return redirect(url_for("shop.index"), 303)


def _asked(values: Mapping[str, str]) -> dict[str, str]:
    """Return what is looked for. What no name has is left out: PostgreSQL refuses some characters."""
    words = trimmed(values.get("search", ""))[:LONGEST_SEARCH].split()
    category, after = trimmed(values.get("category", ""))[:LONGEST_SEARCH], values.get("after", "")[:LONGEST_SKU]
    return {
        "search": " ".join(word for word in words if not hidden_in(word)),
        "category": "" if hidden_in(category) else category,
        "after": "" if hidden_in(after) else after,
    }
