"""What an order costs stands there before the button is pressed, and is what is agreed."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from orderapp.domain.networks import household_of
from orderapp.domain.order_limits import Source
from orderapp.models import Product, RateCounter, SystemSwitch, db_now
from orderapp.services.db.transactions import writing
from orderapp.services.placing import preview_limits
from tests.sandbox.running import RunningSandbox
from tests.web.conftest import hidden_fields
from tests.web.test_placing import orders, place, title_of

NewForm = Callable[..., dict[str, str]]
GIFT = {"member_ref": "M-1001", "benefit": "FREE-GIFT"}


def button_of(text: str) -> str:
    return re.search(r"<button [^>]*data-guard-button>([^<]*)<", text).group(1)


def apply(client: FlaskClient, fields: dict[str, str]) -> str:
    return client.post("/total", data=fields).text


def test_a_discount_is_shown_before_the_order_and_is_what_is_paid(client: FlaskClient, new_form: NewForm) -> None:
    fields = new_form({"TEA-GREEN": "2"}, coupon="WELCOME10", **GIFT)
    page = client.post("/total", data=fields)
    assert button_of(page.text) == "Order and pay €19.50"
    for line in ("2 × Green tea, 100 g", "€25.00", "Discount WELCOME10", "−€2.50", "Discount FREE-GIFT", "−€3.00"):
        assert line in page.text
    assert orders() == 0
    placed = place(client, {**fields, **hidden_fields(page)})
    assert "€19.50" in client.get(placed.location).text


def test_showing_a_discount_uses_nothing_up(client: FlaskClient, new_form: NewForm, sandbox: RunningSandbox) -> None:
    for _ in range(3):
        assert "−€2.50" in apply(client, new_form({"TEA-GREEN": "2"}, coupon="ONCE"))
    assert sandbox.value("coupons", "ONCE", "uses_left") == 1


@pytest.mark.parametrize(
    ("coupon", "told"),
    [("EXPIRED", "has expired"), ("USEDUP", "has already been used up"), ("NO-SUCH", "Check how it is spelled")],
)
def test_a_code_that_can_t_be_used_is_told_and_the_price_is_the_one_without_it(
    client: FlaskClient, new_form: NewForm, coupon: str, told: str
) -> None:
    page = apply(client, new_form(coupon=coupon))
    assert told in page
    assert "€25.00" in page
    assert button_of(page) in ("Order and pay €25.00", "Order and pay at most €25.00")
    assert orders() == 0


@pytest.mark.parametrize(
    "whose", [{"member_ref": "M-1002", "benefit": "FREE-GIFT"}, {"member_ref": "M-9", "benefit": "VIP5"}]
)
def test_a_stranger_doesn_t_learn_whose_benefit_is_used_up_or_whether_there_is_such_a_member(
    client: FlaskClient, new_form: NewForm, whose: dict[str, str]
) -> None:
    page = apply(client, new_form(**whose))
    assert page.count("check how it is written") == 2  # beside the field, and in the summary of problems
    assert "used up" not in page


def test_looking_at_discounts_counts_as_guessing(client: FlaskClient, new_form: NewForm) -> None:
    """The last one whose discount was shown can still be ordered with."""
    codes = [f"GUESS{number}" for number in range(8)] + ["WELCOME10", "FIVEOFF"]
    statuses = [client.post("/total", data=new_form(coupon=code)).status_code for code in codes]
    assert statuses == [200] * 9 + [429]
    assert place(client, new_form(coupon="WELCOME10")).status_code == 303


def test_whoever_looks_too_often_reads_that_the_discount_comes_with_the_order(
    client: FlaskClient, new_form: NewForm, sandbox: RunningSandbox
) -> None:
    fields = new_form(coupon="WELCOME10")
    assert "−€2.50" in apply(client, fields)
    network = RateCounter.bucket.in_(preview_limits.buckets_of([Source("network", household_of("127.0.0.1"))]))
    with writing() as session:
        session.execute(update(RateCounter).where(network).values(count=preview_limits.MOST["network"]))
    calls = sandbox.faults()["coupon"]["calls"]
    for address in ("/summary", "/total"):
        page = client.post(address, data=fields)
        assert (page.status_code, "taken off when you order" in page.text) == (200, True)
    assert sandbox.faults()["coupon"]["calls"] == calls
    assert button_of(page.text) == "Order and pay at most €25.00"
    placed = place(client, {**fields, **hidden_fields(page)})
    assert "€22.50" in client.get(placed.location).text


def test_looking_at_the_discount_of_each_of_many_orders_is_no_guessing(client: FlaskClient, new_form: NewForm) -> None:
    for number in range(6):
        fields = new_form(
            {"TEA-GREEN": str(number + 1)}, coupon=["WELCOME10", "FIVEOFF"][number % 2], email=f"a{number}@b.example"
        )
        page = client.post("/total", data=fields)
        assert place(client, {**fields, **hidden_fields(page)}).status_code == 303
    assert client.post("/total", data=new_form(coupon="EXPIRED")).status_code == 200


def test_the_button_says_at_most_while_a_discount_isn_t_known(
    client: FlaskClient, new_form: NewForm, sandbox: RunningSandbox
) -> None:
    sandbox.fault("coupon", "error_before")
    fields = new_form(coupon="WELCOME10")
    page = client.post("/total", data=fields)
    assert button_of(page.text) == "Order and pay at most €25.00"
    assert "checked at the moment" in page.text
    assert hidden_fields(page)["expected_total"] == ""
    sandbox.clear_faults()
    placed = place(client, {**fields, **hidden_fields(page)})
    assert "€22.50" in client.get(placed.location).text


def test_a_system_that_staff_have_paused_is_not_asked(
    client: FlaskClient, new_form: NewForm, sandbox: RunningSandbox
) -> None:
    with writing() as session:
        session.add(SystemSwitch(system="coupon", mode="paused", reason="down", changed_at=db_now()))
    assert button_of(apply(client, new_form(coupon="WELCOME10"))) == "Order and pay at most €25.00"


def test_a_total_changed_after_it_was_shown_is_asked_about(client: FlaskClient, new_form: NewForm) -> None:
    fields = new_form({"TEA-GREEN": "2"})
    shown = hidden_fields(client.post("/total", data=fields))
    with writing() as session:
        session.execute(update(Product).values(price_minor=1300))
    page = place(client, {**fields, **shown})
    assert (page.status_code, title_of(page)) == (409, "The price has changed")
    assert "was €25.00, is €26.00" in page.text
    assert "Order and pay €26.00" in page.text
    assert place(client, hidden_fields(page)).status_code == 303


def test_what_has_come_to_cost_nothing_is_ordered_for_free(client: FlaskClient, new_form: NewForm) -> None:
    fields = new_form({"TEA-GREEN": "2"})
    shown = hidden_fields(client.post("/total", data=fields))
    with writing() as session:
        session.execute(update(Product).values(price_minor=0))
    page = place(client, {**fields, **shown})
    assert page.status_code == 409
    assert "Order for free" in page.text
    assert "Order and pay" not in page.text


def test_whoever_changes_the_order_after_its_total_was_shown_is_shown_the_new_one(
    client: FlaskClient, new_form: NewForm
) -> None:
    fields = new_form({"TEA-GREEN": "2"})
    shown = hidden_fields(client.post("/total", data=fields))
    page = place(client, {**fields, **shown, "quantity:TEA-GREEN": "3"})
    assert (page.status_code, title_of(page)) == (409, "Please check the new total")
    assert "was €25.00, is €37.50" in page.text
    assert orders() == 0


def test_a_mistake_elsewhere_keeps_the_discount_that_was_shown(client: FlaskClient, new_form: NewForm) -> None:
    fields = new_form(coupon="WELCOME10", email="ada@")
    shown = hidden_fields(client.post("/total", data=fields))
    page = place(client, {**fields, **shown})
    assert page.status_code == 400
    assert button_of(page.text) == "Order and pay €22.50"


def test_the_included_tax_is_shown_where_the_shop_sets_a_rate(
    app: Flask, client: FlaskClient, new_form: NewForm
) -> None:
    assert "tax (" not in apply(client, new_form())
    settings = app.extensions["orderapp.settings"]
    app.extensions["orderapp.settings"] = replace(settings, tax_percent=Decimal("19"))
    assert "Includes €3.59 tax (19%)." in apply(client, new_form(coupon="WELCOME10"))


def test_the_summary_alone_is_answered_for_the_script(client: FlaskClient, new_form: NewForm) -> None:
    page = client.post("/summary", data=new_form(coupon="WELCOME10"))
    assert page.headers["Cache-Control"] == "no-store"
    assert 'data-agreed="2250 EUR"' in page.text
    assert "<html" not in page.text
    assert client.post("/summary", data=new_form({"TEA-GREEN": "0"})).status_code == 204
    wrong = client.post("/summary", data=new_form(coupon="NO-SUCH"))
    assert 'data-problem="coupon"' in wrong.text
    assert orders() == 0
