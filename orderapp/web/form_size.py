"""How large an order form may be: it has a field for each product, chosen or not, so it grows with the catalogue."""

from __future__ import annotations

from flask import Flask, request

from orderapp.services.orders.catalogue import count_products

FORMS = frozenset({"shop.place", "shop.preview", "shop.summary"})
# The name of a quantity's field with the longest SKU (64 characters), escaped, and a mistyped quantity.
BYTES_PER_PRODUCT = 256


def init_app(app: Flask) -> None:
    """Let order forms be as large as the catalogue needs. Call it before CSRF protection, which reads forms."""
    usual = int(app.config["MAX_CONTENT_LENGTH"])

    @app.before_request
    def grow_with_the_catalogue() -> None:
        # Only a form this large needs a query for the catalogue's size.
        if request.endpoint in FORMS and (request.content_length or 0) > usual:
            request.max_content_length = usual + BYTES_PER_PRODUCT * count_products()
