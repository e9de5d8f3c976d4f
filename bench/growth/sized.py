"""A shop on a database with so many finished orders, its external systems inside the process."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import create_engine, select, text

from bench.growth.seeding import seed
from orderapp import create_app
from orderapp.domain.retry import Guarantee
from orderapp.extensions import db
from orderapp.models import Order, Role, Submission
from orderapp.services.access.accounts import create_staff
from orderapp.services.db.transactions import reading
from orderapp.services.engine.outbox import due_hints, mark_published
from orderapp.services.engine.run_task import run_task
from orderapp.systems.base import Part
from tests.admin.conftest import PASSWORD, Browser
from tests.services.scripted import Scripted
from tests.services.shop import Shop

STAFF = "staff@example.com"
SAMPLE = 200  # orders of all ages that are looked at, so that no cache holds just the one
VARIABLES = {"ORDERAPP_MODE": "development", "SECRET_KEY": "a secret for measurements alone"}


@dataclass(frozen=True, slots=True)
class Sample:
    """Some order that is there."""

    number: str
    email: str
    key: str


@dataclass(frozen=True, slots=True)
class Sized:
    """A shop with so many orders; `samples` are some of them."""

    orders: int
    url: str
    app: Flask
    shop: Shop
    staff: Browser
    samples: tuple[Sample, ...]

    def some(self) -> Sample:
        """Return one of the sampled orders."""
        return random.choice(self.samples)

    def work(self) -> int:
        """Do what relay and workers do, until nothing is due any more; return how many tasks that were."""
        done = 0
        while hints := due_hints(self.shop.settings):
            mark_published(hints)
            done += sum(run_task(hint.task_id, self.shop.settings) is not None for hint in hints)
        return done

    def bytes_used(self) -> int:
        """Return how large the database is."""
        with reading() as session:
            return int(session.execute(text("SELECT pg_database_size(current_database())")).scalar_one())


@contextmanager
def shop_with(orders: int, url: str) -> Iterator[Sized]:
    """Make the schema in an empty database by our migrations, fill it, and open a shop on it."""
    app = create_app({**VARIABLES, "DATABASE_URL": url})
    with app.app_context():
        upgrade()
        if orders:
            engine = create_engine(url)
            seed(engine, orders)
            engine.dispose()
        shop = Shop(app, app.extensions["orderapp.settings"]).with_systems(*_systems()).stocked()
        create_staff(STAFF, Role.VIEWER, PASSWORD)
        samples = tuple(_samples())
    staff = Browser(app)
    staff.log_in(STAFF)
    yield Sized(orders, url, app, shop, staff, samples)
    with app.app_context():
        db.engine.dispose()


def _systems() -> list[Scripted]:
    return [
        Scripted("inventory", position=1),
        Scripted("coupon", guarantee=Guarantee.QUERY_FIRST, late_window_seconds=10, position=2),
        Scripted("membership", position=3),
        Scripted("settlement", Part.SETTLE),
        Scripted("email", Part.NOTIFY, Guarantee.UNSAFE),
        Scripted("sms", Part.NOTIFY, Guarantee.UNSAFE),
    ]


def _samples() -> Iterator[Sample]:
    columns = (Order.number, Order.customer_email, Submission.key)
    near = select(*columns).join(Submission, Submission.order_id == Order.id).order_by(Order.number).limit(1)
    with reading() as session:
        for _ in range(SAMPLE):
            # Numbers are spread evenly over all that could be.
            row = session.execute(near.where(Order.number >= f"{random.randrange(16**5):05X}")).one_or_none()
            if row is not None:
                yield Sample(*row)
