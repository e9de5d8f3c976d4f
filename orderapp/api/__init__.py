"""The JSON API, and the endpoints for those who run the product. Parses, calls one service, answers."""

from __future__ import annotations

from flask import Flask

from orderapp.api import access, description, orders, problems
from orderapp.api.blueprint import api
from orderapp.api.callbacks import heard
from orderapp.api.operations import operations
from orderapp.extensions import csrf

__all__ = ["access", "description", "init_app", "orders"]  # these register themselves on the blueprint on import


def init_app(app: Flask) -> None:
    """Add the API and the operations endpoints."""
    # No cookie counts here, so no other site can make a browser do anything.
    csrf.exempt(api)
    csrf.exempt(heard)
    app.register_blueprint(api)
    app.register_blueprint(heard)
    app.register_blueprint(operations)
    problems.answer_unknown_addresses(app)
