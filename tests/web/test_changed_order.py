"""Where a system refuses an order, one press orders what can be had; nothing is typed again, products are named."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update
from werkzeug.test import TestResponse

from orderapp.models import Product
from orderapp.services.db.transactions import writing
from tests.sandbox.running import RunningSandbox
from tests.web.test_placing import orders, place, title_of

NewForm = Callable[..., dict[str, str]]
POT_AND_TEA = {"POT-CAST": "5", "TEA-GREEN": "1"}


def forms_of(page: TestResponse) -> dict[str, dict[str, str]]:
    """Return the hidden fields of each form on a page, by the words of its button."""
    found = {}
    for form in re.findall(r"<form .*?</form>", page.text.partition("</main>")[0], re.DOTALL):
        words = re.search(r"<button [^>]*>(.*?)</button>", form, re.DOTALL).group(1)
        found[html.unescape(words)] = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', form))
    return found


def text_of(page: TestResponse) -> str:
    return html.unescape(page.text)


def press(client: FlaskClient, location: str, button: str) -> TestResponse:
    return client.post(f"{location}/retry", data=forms_of(client.get(location))[button])


@pytest.fixture
def few_pots(client: FlaskClient, new_form: NewForm, sandbox: RunningSandbox) -> str:
    """The page of an order of five pots and a tea, where three pots are left."""
    sandbox.set("stock", "POT-CAST", 3)
    return place(client, new_form(POT_AND_TEA)).location


def test_what_is_left_is_named_and_ordered_with_one_press(
    client: FlaskClient, few_pots: str, sandbox: RunningSandbox
) -> None:
    page = client.get(few_pots)
    assert "Only 3 of \u201cCast iron pot\u201d are left." in text_of(page)
    assert list(forms_of(page)) == ["Order 3, €279.50", "Leave it out, €12.50"]
    answer = press(client, few_pots, "Order 3, €279.50")
    confirmed = client.get(answer.location)
    assert title_of(confirmed) == "Your order is confirmed"
    assert "€279.50" in confirmed.text
    assert "Nothing chosen yet" in client.get("/").text
    assert sandbox.value("stock", "POT-CAST", "available") == 0


def test_whoever_only_knows_the_page_can_order_less_but_learns_nothing_of_the_customer(
    app: Flask, client: FlaskClient, few_pots: str
) -> None:
    fields = forms_of(client.get(few_pots))["Order 3, €279.50"]
    with app.app_context():  # of its own: Flask-WTF keeps a request's token there
        stranger = app.test_client()
        theirs = forms_of(stranger.get(few_pots))["Order 3, €279.50"]
        for _ in ("a press", "the same once more"):
            location = stranger.post(f"{few_pots}/retry", data=theirs).location
            again = stranger.get("/checkout", query_string={"again": location.rpartition("/")[2]}).text
            assert 'value="3"' in again
            assert "Ada Lovelace" not in again
    with app.app_context():
        assert client.post(f"{few_pots}/retry", data=fields).location == location
        again = client.get("/checkout", query_string={"again": location.rpartition("/")[2]}).text
        assert "Ada Lovelace" in again


def test_what_isn_t_there_is_left_out_with_one_press_and_however_often_it_is_one_order(
    client: FlaskClient, few_pots: str, sandbox: RunningSandbox
) -> None:
    fields = forms_of(client.get(few_pots))
    first = client.post(f"{few_pots}/retry", data=fields["Leave it out, €12.50"])
    again = client.post(f"{few_pots}/retry", data=fields["Leave it out, €12.50"])
    other = client.post(f"{few_pots}/retry", data=fields["Order 3, €279.50"])
    assert first.location == again.location
    assert other.status_code == 409
    assert f'href="{first.location}"' in other.text
    assert orders() == 2
    assert sandbox.value("stock", "POT-CAST", "available") == 3
    assert forms_of(client.get(few_pots)) == {}


def test_a_product_that_is_sold_out_and_all_there_was_can_be_changed_or_tried_again_later(
    client: FlaskClient, new_form: NewForm, sandbox: RunningSandbox
) -> None:
    location = place(client, new_form({"SCALE-01": "1"})).location
    page = client.get(location)
    assert "\u201cScale\u201d is sold out." in text_of(page)
    assert "try again now" not in page.text
    assert list(forms_of(page)) == ["Try again"]
    sandbox.set("stock", "SCALE-01", 1)
    assert title_of(client.get(press(client, location, "Try again").location)) == "Your order is confirmed"


def test_one_that_is_left_is_told_in_the_singular(
    client: FlaskClient, new_form: NewForm, sandbox: RunningSandbox
) -> None:
    sandbox.set("stock", "POT-CAST", 1)
    page = client.get(place(client, new_form({"POT-CAST": "2"})).location)
    assert "Only 1 of \u201cCast iron pot\u201d is left." in text_of(page)
    assert list(forms_of(page)) == ["Order 1, €89.00"]


def test_with_a_discount_less_costs_at_most_the_price_without_it(
    client: FlaskClient, new_form: NewForm, sandbox: RunningSandbox, run_tasks: Callable[[], None]
) -> None:
    sandbox.set("stock", "POT-CAST", 3)
    location = place(client, new_form(POT_AND_TEA, coupon="WELCOME10")).location
    run_tasks()
    answer = press(client, location, "Order 3, at most €279.50")
    assert "€251.55" in client.get(answer.location).text


def test_a_price_that_rose_meanwhile_is_asked_about(client: FlaskClient, few_pots: str) -> None:
    page = client.get(few_pots)
    with writing() as session:
        session.execute(update(Product).where(Product.sku == "POT-CAST").values(price_minor=9000))
    asked = client.post(f"{few_pots}/retry", data=forms_of(page)["Order 3, €279.50"])
    assert asked.status_code == 409
    assert "was €279.50, is €282.50" in asked.text
    answer = client.post(f"{few_pots}/retry", data=forms_of(asked)["Order and pay €282.50"])
    assert "€282.50" in client.get(answer.location).text


@pytest.mark.parametrize("only", ["1", "4", "-1", "x"])
def test_no_other_number_than_what_is_left_can_be_asked_for(client: FlaskClient, few_pots: str, only: str) -> None:
    fields = forms_of(client.get(few_pots))["Order 3, €279.50"] | {"only": only, "expected_total": ""}
    answer = client.post(f"{few_pots}/retry", data=fields)  # the order is tried again as it was
    assert answer.location == few_pots
    assert orders() == 1
