"""An application with plugins, and a sandbox that stands in for all of its systems."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask import Flask

from orderapp import create_app
from orderapp.config import Settings
from orderapp.extensions import db
from orderapp.services.orders.product_import import import_products
from orderapp.systems.registry import system_classes
from tests.sandbox.running import RunningSandbox
from tests.servers.tables import create_tables
from tests.services.shop import Shop

PRODUCTS = [{"sku": "TEA-GREEN", "name": "Green tea", "price": {"value": 790, "currency": "EUR"}}]
# So that what the timer waits for comes within a test.
QUICK = {"RETRY_BASE_SECONDS": "0.01", "RETRY_MAX_SECONDS": "0.05", "SUBMISSION_LEASE_SECONDS": "30"}


@contextmanager
def shop_with(plugin: str, folder: Path, **variables: str) -> Iterator[tuple[Shop, RunningSandbox]]:
    """Run a shop with a plugin inside the block; its sandbox has the plugin's stand-in.

    Args:
        plugin: The module of the plugin.
        folder: For the database and the sandbox's data.
        variables: Further environment variables.
    """
    with RunningSandbox(folder, kinds=system_classes((plugin,))) as sandbox:
        names = [kind.name for kind in sandbox.settings.kinds]
        app = create_app(
            {
                "ORDERAPP_MODE": "development",
                "DATABASE_URL": f"sqlite:///{folder / 'orders.db'}",
                "ORDERAPP_PLUGINS": plugin,
                **QUICK,
                **sandbox.environ(*names),
                **variables,
            }
        )
        with app.app_context():
            create_tables(db.engine)
            import_products(PRODUCTS)
            yield Shop(app, settings_of(app)), sandbox
            db.engine.dispose()


def settings_of(app: Flask) -> Settings:
    """Return an application's settings."""
    settings: Settings = app.extensions["orderapp.settings"]
    return settings


def rows_of(sandbox: RunningSandbox, system: str) -> dict[str, Any]:
    """Return what a plugin's stand-in keeps, as text, by key."""
    return {row["key"]: row["content"] for row in sandbox.rows(system)}
