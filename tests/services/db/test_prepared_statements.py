"""Statements that are given to the driver as they are: what they return, what they raise, what they leave behind.

On PostgreSQL only: elsewhere SQLAlchemy carries out everything.
"""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import JSON, Column, Integer, MetaData, String, Table, bindparam, func, insert, literal, select
from sqlalchemy.exc import DataError, IntegrityError

from orderapp import create_app
from orderapp.errors import DatabaseUnavailable
from orderapp.extensions import db
from orderapp.models import CartLock, Product, db_now, table_of
from orderapp.services.access.api_tokens import authenticate
from orderapp.services.db import transactions
from orderapp.services.db.prepared_statements import PreparedStatement, about_to_run, has_run
from orderapp.services.db.transactions import reading
from orderapp.services.engine.run_task import run_task
from orderapp.services.placing.place import Result
from tests.servers.loopback import free_port
from tests.services.conftest import SETTINGS
from tests.services.scripted import Killed
from tests.services.shop import Shop

Told = tuple[str, PreparedStatement, bool]  # when, of which, whether it only reads

PRODUCTS = table_of(Product)
# Two rows in one statement, so that what a refused one leaves behind would be seen.
INSERT = PreparedStatement(
    insert(PRODUCTS)
    .from_select(
        ["sku", "name", "price_minor", "currency", "updated_at"],
        select(
            func.unnest(func.string_to_array(bindparam("skus"), ",")),
            bindparam("name", type_=PRODUCTS.c.name.type),
            bindparam("price_minor", type_=PRODUCTS.c.price_minor.type),
            literal("EUR"),
            db_now(),
        ),
        include_defaults=False,
    )
    .returning(PRODUCTS.c.sku, PRODUCTS.c.price_minor)
)
BACKEND = PreparedStatement(select(func.pg_backend_pid().label("pid")))
BY_ID = PreparedStatement(select(bindparam("id", type_=CartLock.order_id.type).label("id")))


@pytest.fixture
def database_url(postgres_database: str) -> str:
    return postgres_database


@pytest.fixture(autouse=True)
def shop(busy_shop: Shop) -> Shop:
    return busy_shop


@pytest.fixture
def told() -> Iterator[list[Told]]:
    """What was told of prepared statements."""
    said: list[Told] = []

    def before(sender: PreparedStatement, *, reads: bool) -> None:
        said.append(("before", sender, reads))

    def after(sender: PreparedStatement, *, reads: bool) -> None:
        said.append(("after", sender, reads))

    with about_to_run.connected_to(before), has_run.connected_to(after):
        yield said


def skus_on_sale() -> set[str]:
    with reading() as session:
        return set(session.scalars(select(Product.sku)))


def added(**changed: Any) -> dict[str, Any]:
    return {"skus": "NEW-1,NEW-2", "name": "New", "price_minor": 100, **changed}


def test_it_returns_rows_by_name_and_is_committed() -> None:
    rows = INSERT.run(added())
    assert [(row.sku, row.price_minor) for row in rows] == [("NEW-1", 100), ("NEW-2", 100)]
    assert {"NEW-1", "NEW-2"} <= skus_on_sale()
    assert db.engine.pool.checkedout() == 0  # type: ignore[attr-defined]


def test_what_a_question_finds_is_the_same_by_the_driver_and_by_sqlalchemy() -> None:
    by_sku = select(PRODUCTS).where(PRODUCTS.c.sku == bindparam("sku"))
    [found] = PreparedStatement(by_sku).ask({"sku": "TEA-GREEN"})
    with reading() as session:
        row = session.execute(by_sku, {"sku": "TEA-GREEN"}).one()
    assert found._asdict() == row._asdict()
    assert PreparedStatement(by_sku).ask({"sku": "NONE"}) == []


def test_values_are_made_what_the_driver_takes() -> None:
    wanted = uuid.uuid4()
    assert BY_ID.ask({"id": wanted})[0].id == wanted
    echo = PreparedStatement(select(bindparam("given", type_=JSON).label("given")))
    assert echo.ask({"given": {"a": [1, None, "é"]}})[0].given == {"a": [1, None, "é"]}


def test_text_that_looks_like_a_parameter_is_text() -> None:
    percent = PreparedStatement(select(literal("100% of $1 :x").label("said"), bindparam("more").label("more")))
    assert percent.ask({"more": "%s"})[0] == ("100% of $1 :x", "%s")


@pytest.mark.parametrize("wrong", [{"skus": "NEW-1,TEA-GREEN"}, {"price_minor": -1}])
def test_a_violated_constraint_is_an_integrity_error_and_nothing_stays(wrong: dict[str, Any]) -> None:
    before = skus_on_sale()
    with pytest.raises(IntegrityError) as refused:
        INSERT.run(added(**wrong))
    assert "[parameters" not in str(refused.value), "they tell of customers"
    assert skus_on_sale() == before
    assert db.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    assert INSERT.run(added()), "the connection is used again"


def test_another_failure_of_the_statement_says_what_it_was() -> None:
    division = PreparedStatement(select((1 / bindparam("by", type_=PRODUCTS.c.price_minor.type)).label("share")))
    with pytest.raises(DataError) as failed:
        division.ask({"by": 0})
    assert isinstance(failed.value.orig, psycopg.errors.DivisionByZero)
    assert division.ask({"by": 1})[0].share == 1


@pytest.fixture
def lost(database_url: str) -> int:
    """The process of the connection that is used next; the database has ended it."""
    pid: int = BACKEND.ask({})[0].pid
    with psycopg.connect(database_url.replace("+psycopg", "")) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    return pid


def test_a_connection_lost_before_the_statement_is_an_unavailable_database_and_the_next_use_works(
    lost: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "UNASKED_SECONDS", math.inf)  # however slow the machine, the statement notices it
    with pytest.raises(DatabaseUnavailable):
        BACKEND.ask({})
    assert BACKEND.ask({})[0].pid != lost


def test_a_connection_lost_while_it_lay_idle_is_replaced(lost: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions, "UNASKED_SECONDS", 0)
    assert BACKEND.ask({})[0].pid != lost


def test_a_connection_lost_in_the_middle_is_an_unavailable_database_and_the_next_use_works() -> None:
    with pytest.raises(DatabaseUnavailable):
        PreparedStatement(select(func.pg_terminate_backend(func.pg_backend_pid()))).run({})
    assert db.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    assert INSERT.run(added())


def test_a_database_that_cannot_be_reached_is_an_unavailable_database() -> None:
    away = create_app({**SETTINGS, "DATABASE_URL": f"postgresql+psycopg://127.0.0.1:{free_port()}/none"})
    with away.app_context(), pytest.raises(DatabaseUnavailable):
        BACKEND.ask({})


@pytest.mark.parametrize(
    "statement",
    [
        insert(Table("noted", MetaData(), Column("id", Integer), Column("at", String, default="now"))).values(id=1),
        select(PRODUCTS.c.sku).where(PRODUCTS.c.sku.in_(bindparam("skus", expanding=True))),
    ],
    ids=["a column's default", "as many parameters as values"],
)
def test_a_statement_that_leaves_something_to_sqlalchemy_at_each_run_is_refused(statement: Any) -> None:
    with pytest.raises(TypeError, match="leaves to SQLAlchemy"):
        PreparedStatement(statement).run({"skus": ["TEA-GREEN"]})


def test_what_is_always_the_same_is_written_into_the_text() -> None:
    words = ["O'Brien", "a%b", "100 %", "$1", ":name", "back\\slash", "half \N{TRADE MARK SIGN}"]
    columns = [literal(word).label(f"word{number}") for number, word in enumerate(words)]
    ready = PreparedStatement(select(*columns, bindparam("id", type_=Integer)).where(literal("a%b").in_(words)))
    assert list(ready.run({"id": 7})[0]) == [*words, 7]
    assert "O''Brien" in str(ready)


def test_whoever_listens_is_told_before_and_after(told: list[Told]) -> None:
    INSERT.run(added())
    BACKEND.ask({})
    assert told == [("before", INSERT, False), ("after", INSERT, False), ("before", BACKEND, True),
                    ("after", BACKEND, True)]  # fmt: skip
    assert str(INSERT).startswith("INSERT INTO products")
    assert "$1" in str(INSERT)


def test_of_one_that_fails_is_told_before_only(told: list[Told]) -> None:
    with pytest.raises(IntegrityError):
        INSERT.run(added(price_minor=-1))
    assert told == [("before", INSERT, False)]


def test_whoever_is_told_before_may_end_it_and_whoever_is_told_after_finds_it_committed() -> None:
    def die(_sender: PreparedStatement, *, reads: bool) -> None:
        raise Killed

    before = skus_on_sale()
    with about_to_run.connected_to(die), pytest.raises(Killed):
        INSERT.run(added())
    assert skus_on_sale() == before
    with has_run.connected_to(die), pytest.raises(Killed):
        INSERT.run(added())
    assert skus_on_sale() == before | {"NEW-1", "NEW-2"}


def test_what_is_run_as_a_question_changes_nothing(shop: Shop, told: list[Told]) -> None:
    assert shop.submit().result is Result.CONFIRMED
    for hint in shop.due():
        run_task(hint.task_id, shop.settings)
    authenticate("no such token")
    questions = {str(statement) for _when, statement, reads in told if reads}
    assert len(questions) == 2
    assert [one for one in questions if re.search(r"\b(INSERT INTO|UPDATE \w+ SET|DELETE FROM)\b", one)] == []
    assert len({statement for _when, statement, reads in told if not reads}) >= 4, "TX1, TX2, a claim, its end"
