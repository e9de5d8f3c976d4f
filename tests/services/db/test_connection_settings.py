"""Whatever the database's defaults are, our connections have what we rely on; and what can't be set is looked at."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine, text

from orderapp import create_app
from orderapp.domain.states import OrderState
from orderapp.extensions import db
from orderapp.services.db.connection_settings import DURABILITY, PINNED
from orderapp.services.db.transactions import reading, writing
from tests.servers.postgres import PostgresServer
from tests.services.conftest import SETTINGS
from tests.services.scripted import Scripted, does_it_then
from tests.services.shop import Shop
from tests.services.test_interleaving import every_interleaving

HOSTILE = {
    "default_transaction_isolation": "repeatable read",
    "default_transaction_read_only": "on",
    "synchronous_commit": "off",
    "standard_conforming_strings": "off",
    "lock_timeout": "1ms",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "timezone": "Asia/Kolkata",
    "datestyle": "German, DMY",
    "intervalstyle": "iso_8601",
    "client_encoding": "LATIN1",
    "extra_float_digits": "-5",
    "array_nulls": "off",
    "transform_null_equals": "on",
}


@pytest.fixture(params=["DATABASE", "ROLE"])
def hostile_url(request: pytest.FixtureRequest, postgres_server: PostgresServer) -> Iterator[str]:
    """A database whose defaults, or whose role's, are anything but what we rely on."""
    url = postgres_server.create_database()
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    name, role = url.rpartition("/")[2], f"clerk_{url[-6:]}"
    with engine.connect() as connection:
        connection.execute(text(f"CREATE ROLE {role} SUPERUSER LOGIN"))
        for setting, value in HOSTILE.items():
            whose = f"DATABASE {name}" if request.param == "DATABASE" else f"ROLE {role}"
            connection.execute(text(f"ALTER {whose} SET {setting} = '{value}'"))
    engine.dispose()
    yield url.replace("//postgres@", f"//{role}@")
    postgres_server.drop_database(url)


@pytest.fixture
def shop(hostile_url: str) -> Iterator[Shop]:
    from orderapp.models import Base

    app = create_app({**SETTINGS, "DATABASE_URL": hostile_url})
    with app.app_context():
        Base.metadata.create_all(db.engine)
        yield Shop(app, app.extensions["orderapp.settings"]).stocked()
        db.engine.dispose()


def test_what_we_rely_on_is_in_effect_whatever_the_defaults_say(shop: Shop) -> None:
    for block in (reading, writing):
        with block() as session:
            found = {name: session.execute(text(f"SHOW {name}")).scalar_one() for name in (*PINNED, DURABILITY)}
            assert found == {**PINNED, DURABILITY: "on"}
            shown = {name: session.execute(text(f"SHOW {name}")).scalar_one() for name in HOSTILE}
            assert [name for name, value in HOSTILE.items() if shown[name] == value] == []
            assert session.execute(text("SHOW transaction_isolation")).scalar_one() == "read committed"


def test_two_compensations_that_end_together_close_their_order(shop: Shop) -> None:
    stock, points = Scripted("stock", position=1), Scripted("points", position=2)
    shop = shop.with_systems(stock, points)

    def prepare() -> tuple[object, object]:
        points.acts.append(does_it_then(points))
        order = shop.submit(customer={"name": "Ada \\ Łukasz ☃", "email": "ada@example.com"}, duplicate="allow").order
        first, other = (task.id for task in shop.tasks(order.id, kind="compensate"))
        from orderapp.services.engine.run_task import run_task

        return lambda: run_task(first, shop.settings), lambda: run_task(other, shop.settings)

    def check() -> None:
        assert shop.orders_in(OrderState.FAILED) == shop.order_count()

    every_interleaving(shop, prepare, check)  # type: ignore[arg-type]


def test_who_waits_for_more_than_the_disk_still_does(postgres_server: PostgresServer) -> None:
    url = postgres_server.create_database()
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"ALTER DATABASE {url.rpartition('/')[2]} SET synchronous_commit = remote_apply"))
    engine.dispose()
    app = create_app({**SETTINGS, "DATABASE_URL": url})
    with app.app_context(), reading() as session:
        assert session.execute(text("SHOW synchronous_commit")).scalar_one() == "remote_apply"
    with app.app_context():
        db.engine.dispose()
    postgres_server.drop_database(url)
