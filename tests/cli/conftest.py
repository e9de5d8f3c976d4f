"""The commands, on a database of their own, against the sandbox's systems."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import structlog
from click.testing import Result
from flask import Flask

from orderapp import create_app
from orderapp.config import Settings
from orderapp.domain.inputs import Inputs
from orderapp.domain.orders import Customer, LineRequest, OrderRequest
from orderapp.extensions import db
from orderapp.models import Product, db_now
from orderapp.services.db.transactions import writing
from orderapp.services.orders.views import OrderView
from orderapp.services.placing.place import Placing
from tests.sandbox.running import RunningSandbox
from tests.servers.applications import run_waiting_tasks
from tests.servers.tables import create_tables

ANSWERS_SOON = {f"{system}_TIMEOUT": "3,3" for system in ("INVENTORY", "COUPON", "MEMBERSHIP", "SETTLEMENT", "SMS")}
Run = Callable[..., Result]
MakeApp = Callable[..., Flask]


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    """A command sets up logging for its process; in a test's process that has to be taken back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[RunningSandbox]:
    """Stand-ins for all systems; a redemption that was cut off appears at once or never."""
    with RunningSandbox(tmp_path / "sandbox", coupon_late_seconds=0) as running:
        yield running


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    """The settings, without any system."""
    return {
        "SECRET_KEY": "3f" * 32,
        "PUBLIC_URL": "https://shop.example",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'orders.db'}",
        "RETRY_BASE_SECONDS": "0.01",
        "RETRY_MAX_SECONDS": "0.02",
    }


@pytest.fixture
def make_app() -> Iterator[MakeApp]:
    """Makes applications, with tables or without, and closes their databases."""
    made: list[Flask] = []

    def make(variables: Mapping[str, str], *, tables: bool = True) -> Flask:
        app = create_app(variables)
        made.append(app)
        if tables:
            with app.app_context():
                create_tables(db.engine)
        return app

    yield make
    for app in made:
        with app.app_context():
            db.engine.dispose()


@pytest.fixture
def app(variables: dict[str, str], sandbox: RunningSandbox, make_app: MakeApp) -> Flask:
    """The application with all systems and one product, of which the sandbox has plenty."""
    app = make_app({**variables, **ANSWERS_SOON, **sandbox.environ()})
    with app.app_context(), writing() as session:
        session.add(Product(sku="TEA-GREEN", name="Green tea", price_minor=790, currency="EUR", updated_at=db_now()))
    return app


@pytest.fixture
def run(app: Flask) -> Run:
    """Runs a `flask` command: `run("tasks", "list")`."""

    def invoke(*args: str, stdin: str | bytes | None = None) -> Result:
        return app.test_cli_runner().invoke(args=list(args), input=stdin)

    return invoke


@pytest.fixture
def place(app: Flask) -> Callable[..., OrderView]:
    """Places an order under a key, as the shop does."""

    def submit(key: str, *, coupon: str = "", phone: str = "") -> OrderView:
        customer = Customer("Ada Lovelace", f"{key}@example.com", phone)
        request = OrderRequest(customer, (LineRequest("TEA-GREEN", 2),), Inputs(coupon=coupon) if coupon else Inputs())
        with app.app_context():
            return Placing(settings_of(app)).submit(request, key).order

    return submit


@pytest.fixture
def run_tasks(app: Flask) -> Callable[[], None]:
    """Does what workers do until nothing is waiting."""

    def work() -> None:
        with app.app_context():
            run_waiting_tasks(app)

    return work


def settings_of(app: Flask) -> Settings:
    """Return the application's settings."""
    settings: Settings = app.extensions["orderapp.settings"]
    return settings
