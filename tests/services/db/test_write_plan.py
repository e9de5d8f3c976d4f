"""Write plans: described once, carried out on either database, as a transaction of their own or within another."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import bindparam, delete, insert, select, true, update
from sqlalchemy.exc import IntegrityError

from orderapp.models import Product, db_now, table_of
from orderapp.services.db.json_rows import as_json, columns_of, rows_of
from orderapp.services.db.transactions import reading, writing
from orderapp.services.db.write_plan import Before, Rows, Write, WritePlan
from tests.services.shop import Shop
from tests.services.watching import watching

PRODUCTS = table_of(Product)
NAMES = ("sku", "name", "price_minor", "currency")


@pytest.fixture(autouse=True)
def shop(busy_shop: Shop) -> Shop:
    return busy_shop


def dearer(_: Before) -> Any:
    wanted = PRODUCTS.c.sku == bindparam("wanted", type_=PRODUCTS.c.sku.type)
    raised = update(PRODUCTS).where(wanted).values(price_minor=PRODUCTS.c.price_minor + 1)
    return raised.returning(PRODUCTS.c.price_minor, PRODUCTS.c.updated_at)


def copies(before: Before) -> Any:
    """Further products at the dearer one's price."""
    given = rows_of(before.dialect_name, "copies", columns_of(PRODUCTS, ("sku", "name", "currency")))
    rows = select(given.c.sku, given.c.name, given.c.currency, before["dearer"].c.price_minor, db_now())
    names = ["sku", "name", "currency", "price_minor", "updated_at"]
    inserting = insert(PRODUCTS).from_select(names, rows.join_from(before["dearer"], given, true()))
    return inserting.returning(PRODUCTS.c.sku, PRODUCTS.c.price_minor)


def seen(before: Before) -> Any:
    """What was copied, from the end of the alphabet: read along, and not from the table, which shows it only later."""
    return select(before["copies"].c.sku).order_by(before["copies"].c.sku.desc())


PLAN = WritePlan(Write("dearer", dearer), Write("copies", copies, one=False), returns=("dearer", "copies"))
READING_ALONG = WritePlan(
    Write("dearer", dearer), Write("copies", copies, one=False), Write("seen", seen, one=False), returns=("seen",)
)


def parameters(*skus: str, of: str = "TEA-GREEN") -> dict[str, Any]:
    return {"wanted": of, "copies": as_json({"sku": sku, "name": f"Copy “{sku}”", "currency": "EUR"} for sku in skus)}


def carried_out(plan: WritePlan, given: dict[str, Any], *, within: bool) -> Rows | None:
    if not within:
        return plan.run(given)
    with writing() as session:
        return plan.run_within(session, given)


def prices() -> dict[str, int]:
    with reading() as session:
        return {row.sku: row.price_minor for row in session.execute(select(PRODUCTS.c.sku, PRODUCTS.c.price_minor))}


@pytest.mark.parametrize("within", [False, True])
def test_a_write_uses_the_rows_of_those_before_it_and_the_wanted_ones_come_back(within: bool) -> None:
    before = prices()
    written = carried_out(PLAN, parameters("NEW-1", "NEW-2"), within=within)
    assert written is not None
    dearer_now = before["TEA-GREEN"] + 1
    assert [row.price_minor for row in written["dearer"]] == [dearer_now]
    assert sorted((row.sku, row.price_minor) for row in written["copies"]) == [
        ("NEW-1", dearer_now),
        ("NEW-2", dearer_now),
    ]
    assert prices() == {**before, "TEA-GREEN": dearer_now, "NEW-1": dearer_now, "NEW-2": dearer_now}


@pytest.mark.parametrize("within", [False, True])
def test_an_empty_list_writes_no_row(within: bool) -> None:
    written = carried_out(PLAN, parameters(), within=within)
    assert written is not None
    assert (len(written["dearer"]), written["copies"]) == (1, [])


@pytest.mark.parametrize("within", [False, True])
def test_where_the_first_write_finds_nothing_nothing_is_written(within: bool) -> None:
    before = prices()
    assert carried_out(PLAN, parameters("NEW-1", of="NONE"), within=within) is None
    assert prices() == before


@pytest.mark.parametrize("within", [False, True])
def test_a_violated_constraint_leaves_nothing(within: bool) -> None:
    before = prices()
    with pytest.raises(IntegrityError):
        carried_out(PLAN, parameters("NEW-1", "TEA-GREEN"), within=within)
    assert prices() == before


@pytest.mark.parametrize("within", [False, True])
def test_what_is_read_along_comes_in_its_own_order_and_may_use_lists(within: bool) -> None:
    written = carried_out(READING_ALONG, parameters("NEW-2", "NEW-3", "NEW-1"), within=within)
    assert written is not None
    assert [row.sku for row in written["seen"]] == ["NEW-3", "NEW-2", "NEW-1"]


def test_a_later_write_that_must_find_its_row_undoes_all_of_them_where_they_run_one_by_one() -> None:
    def lost(_: Before) -> Any:
        return delete(PRODUCTS).where(PRODUCTS.c.sku == bindparam("other")).returning(PRODUCTS.c.sku)

    before = prices()
    plan = WritePlan(Write("dearer", dearer), Write("lost", lost), returns=("lost",))
    with pytest.raises(LookupError), writing() as session:
        plan.run_within(session, {"wanted": "TEA-GREEN", "other": "NONE"})
    assert prices() == before


def test_alone_it_is_one_statement_on_postgresql(shop: Shop) -> None:
    if not shop.settings.database_url.startswith("postgresql"):
        pytest.skip("SQLite has a statement for each write")
    sent: list[str] = []
    with watching(statement=sent.append):
        PLAN.run(parameters("NEW-1"))
    assert len(sent) == 1


def test_a_list_takes_no_times_and_no_uuids() -> None:
    with pytest.raises(TypeError, match="updated_at"):
        rows_of("sqlite", "list", columns_of(PRODUCTS, ("sku", "updated_at")))


@pytest.mark.parametrize("value", ["half of one: \ud800", 2**64])
def test_what_no_database_can_keep_is_refused_before_it_is_sent(value: object) -> None:
    with pytest.raises(TypeError):
        as_json([{"name": value}])


def test_numbers_and_words_come_through_a_list_as_they_are(shop: Shop) -> None:
    dialect_name = shop.settings.database_url.partition(":")[0].partition("+")[0]
    given = rows_of(dialect_name, "list", columns_of(PRODUCTS, NAMES))
    row = {"sku": "É-'\"1", "name": "null", "price_minor": 2**53 - 1, "currency": None}
    with reading() as session:
        [found] = session.execute(select(given), {"list": as_json([row])})
    assert dict(found._mapping) == row
