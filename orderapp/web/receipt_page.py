"""The receipt of an order, to print and as PDF, for whoever holds the link of the order's page."""

from __future__ import annotations

from flask import Response, abort, make_response, render_template

from orderapp.services.access import attempt_counters
from orderapp.web.blueprint import shop
from orderapp.web.language import current
from orderapp.web.order_reference import order_named
from orderapp.web.receipt import Receipt, receipt_of
from orderapp.web.receipt_pdf import pdf_of

# Making one takes a fifth of a second of a processor. Nobody needs more of them in an hour, and many at once would slow
# orders down.
MOST_OF_ORDER, WINDOW_SECONDS = 20, 3600


@shop.get("/orders/<reference>/receipt")
def receipt(reference: str) -> Response:
    """Show the receipt; printed, only the receipt is on the paper."""
    _, found = _found(reference)
    response = make_response(render_template("shop/receipt.html", receipt=found, reference=reference))
    response.headers["Cache-Control"] = "no-store"
    return response


@shop.get("/orders/<reference>/receipt.pdf")
def receipt_as_pdf(reference: str) -> Response:
    """Answer with the receipt as a file to keep."""
    number, found = _found(reference)
    attempt_counters.count(("receipts", number), MOST_OF_ORDER, WINDOW_SECONDS)
    response = make_response(pdf_of(found, current().code))
    response.content_type = "application/pdf"
    response.headers["Content-Disposition"] = f'attachment; filename="{number}.pdf"'
    response.headers["Cache-Control"] = "no-store"
    return response


def _found(reference: str) -> tuple[str, Receipt]:
    order = order_named(reference)
    found = receipt_of(order)
    if found is None:
        abort(404)
    return order.number, found
