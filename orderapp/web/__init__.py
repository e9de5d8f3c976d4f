"""The shop: the order form and the page of an order. Parses, calls one service, renders; works without JavaScript."""

from __future__ import annotations

from flask import Flask

from orderapp.web import (
    about_pages,
    account_page,
    address_page,
    cancel_page,
    catalogue_page,
    draft_status,
    drafts,
    error_pages,
    form_page,
    language,
    language_switch,
    order_again,
    order_page,
    receipt_page,
    stock_states,
    unplaced,
)
from orderapp.web.blueprint import shop

__all__ = [
    "account_page",
    "address_page",
    "cancel_page",
    "catalogue_page",
    "draft_status",
    "form_page",
    "init_app",
    "language_switch",
    "order_again",
    "order_page",
    "receipt_page",
    "stock_states",
    "unplaced",
]  # the pages register their routes on import


def init_app(app: Flask) -> None:
    """Add the shop's pages, and the pages for errors of the whole application."""
    app.session_interface = drafts.Sessions()
    language.init_app(app)
    about_pages.init_app(app)
    app.register_blueprint(shop)
    error_pages.register(app)
