"""Choosing: pages of products that stay small, search, categories, and a basket that stays across pages."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, insert, select, update
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from orderapp.models import BasketLine, Product, db_now
from orderapp.services.db.transactions import reading, writing
from orderapp.services.engine.recovery import BASKETS_KEPT_SECONDS, tidy
from orderapp.services.orders import baskets, catalogue
from orderapp.services.orders.product_import import import_products
from tests.sandbox.running import RunningSandbox
from tests.web.conftest import hidden_fields, put
from tests.web.test_placing import orders, place

MANY = 5000


def names_on(page: TestResponse) -> list[str]:
    return [html.unescape(name) for name in re.findall(r'<h2 class="product-name">(.*?)</h2>', page.text)]


def sell_many() -> None:
    rows = [{"sku": f"T-{number:05}", "name": f"Tea number {number:05}"} for number in range(MANY)]
    common = {"price_minor": 790, "currency": "EUR", "category": "Tea", "updated_at": db_now()}
    with writing() as session:
        session.execute(insert(Product).values(**common), rows)


def test_with_thousands_of_products_a_page_stays_small_and_leads_to_the_next(client: FlaskClient) -> None:
    sell_many()
    page, seen = client.get("/?category=Tea"), list[str]()
    files = set(re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text))
    sent = [len(client.get(file, headers={"Accept-Encoding": "gzip"}).data) for file in files]
    assert len(sent) == 5
    assert len(page.data) + sum(sent) < 60_000
    for _ in range(3):
        seen += names_on(page)
        (following,) = re.findall(r'rel="next" href="([^"]+)"', page.text)
        page = client.get(html.unescape(following))
    assert seen == [f"Tea number {number:05}" for number in range(3 * catalogue.ON_A_PAGE)]
    assert names_on(client.get("/?category=Tea&after=T-04990")) == [f"Tea number {one:05}" for one in range(4991, MANY)]


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("cast", ["Cast iron pot"]),
        ("POT iron", ["Cast iron pot"]),
        ("tea", ["Green tea, 100 g"]),
        ("%", []),
        ("_", []),
        ("'; --", []),
        ("x" * 500, []),
        ("ölFLÄSCHCHEN", ["Ölfläschchen, ÄRA"]),
        ("olflasch", ["Ölfläschchen, ÄRA"]),
    ],
)
def test_a_product_is_found_by_words_of_its_name(client: FlaskClient, search: str, found: list[str]) -> None:
    import_products([{"sku": "OIL", "name": "Ölfläschchen, ÄRA", "price": {"value": 500, "currency": "EUR"}}])
    page = client.get("/", query_string={"search": search})
    assert page.status_code == 200
    assert names_on(page) == found
    assert ("Nothing was found" in page.text) == (not found)


def test_categories_are_offered_and_show_only_theirs(client: FlaskClient) -> None:
    with writing() as session:
        session.execute(update(Product).where(Product.sku == "TEA-GREEN").values(category="Tea & more"))
    assert 'href="/?category=Tea+%26+more"' in html.unescape(client.get("/").text)
    assert names_on(client.get("/?category=Tea+%26+more")) == ["Green tea, 100 g"]
    assert names_on(client.get("/?category=Gone")) == []


def test_what_was_chosen_stays_across_pages_and_is_ordered(client: FlaskClient) -> None:
    put(client, {"TEA-GREEN": "2"})
    assert "€25.00" in client.get("/?search=pot").text
    shown = client.post("/basket", data={**hidden_fields(client.get("/")), "quantity:POT-CAST": "1"})
    assert shown.location.startswith("/")
    page = client.get("/checkout")
    assert "Order and pay €114.00" in page.text
    fields = {**hidden_fields(page), "name": "Ada", "email": "ada@example.com"}
    fields |= {"quantity:TEA-GREEN": "2", "quantity:POT-CAST": "1"}
    assert place(client, fields).status_code == 303


def test_a_press_leads_back_to_the_page_it_was_made_on_and_nowhere_else(client: FlaskClient) -> None:
    fields = hidden_fields(client.get("/?search=tea")) | {"quantity:TEA-GREEN": "1"}
    assert client.post("/basket", data=fields).location == "/?search=tea#product-TEA-GREEN"
    fields |= {"search": "", "back": "https://evil.example/", "after": "//evil.example"}
    assert client.post("/basket", data=fields).location.startswith("/?after=")


def test_setting_a_number_twice_adds_nothing_and_0_takes_the_product_out(client: FlaskClient) -> None:
    for _ in range(2):
        put(client, {"TEA-GREEN": "3"})
    assert "€37.50" in client.get("/checkout").text
    put(client, {})
    assert "Nothing yet." in client.get("/checkout").text


@pytest.mark.parametrize("wrong", ["-1", "x", "1e3", "٣", "", "9" * 30])
def test_what_is_no_number_changes_nothing(client: FlaskClient, wrong: str) -> None:
    put(client, {"TEA-GREEN": "2"})
    answer = client.post("/basket", data={**hidden_fields(client.get("/")), "quantity:TEA-GREEN": wrong})
    assert answer.status_code == 303
    assert "€25.00" in client.get("/checkout").text


def test_a_basket_has_at_most_as_many_products_as_an_order(client: FlaskClient) -> None:
    sell_many()
    for start in (0, 60):
        chosen = {f"quantity:T-{number:05}": "1" for number in range(start, start + 60)}
        answer = client.post("/basket", data={**hidden_fields(client.get("/")), **chosen}, headers={"Basket": "alone"})
    assert answer.status_code == 409
    assert "At most 100 different products" in answer.text
    led = client.post("/basket", data={**hidden_fields(client.get("/")), **chosen}, follow_redirects=True)
    assert "At most 100 different products" in led.text
    with reading() as session:
        assert session.scalar(select(func.count()).select_from(BasketLine)) == 60


def test_two_first_presses_at_the_same_moment_fill_one_basket(client: FlaskClient) -> None:
    fields = hidden_fields(client.get("/"))
    cookie = client.get_cookie("orderapp").value
    for sku in ("TEA-GREEN", "POT-CAST"):
        client.set_cookie("orderapp", cookie)  # neither press waited for the other's answer
        client.post("/basket", data=fields | {f"quantity:{sku}": "1"})
    assert "€101.50" in client.get("/").text


def test_baskets_are_each_visitor_s_own_and_need_a_token(app: Flask, client: FlaskClient) -> None:
    put(client, {"TEA-GREEN": "2"})
    assert "Nothing chosen yet" in app.test_client().get("/").text
    refused = client.post("/basket", data={"quantity:TEA-GREEN": "9"})
    assert refused.status_code == 400
    assert "Nothing was put into your basket" in refused.text
    assert "€25.00" in client.get("/").text


def test_after_an_order_choosing_begins_anew_but_going_back_still_shows_it(
    client: FlaskClient, new_form: Callable[..., dict[str, str]]
) -> None:
    client.get(place(client, new_form()).location)
    assert "2 × Green tea, 100 g" in client.get("/checkout").text
    assert "Nothing chosen yet" in client.get("/").text
    assert "Nothing yet." in client.get("/checkout").text


def test_a_press_on_a_page_from_before_the_order_adds_nothing_to_what_was_ordered(
    client: FlaskClient, new_form: Callable[..., dict[str, str]]
) -> None:
    fields = new_form()
    old_page = hidden_fields(client.get("/"))
    client.get(place(client, fields).location)
    shown = client.post("/basket", data={**old_page, "quantity:POT-CAST": "1"}, follow_redirects=True)
    for page in (shown, client.get("/checkout")):
        assert "€89.00" in page.text
        assert "€114.00" not in page.text


def test_what_a_failed_order_wanted_stays_in_the_basket_until_another_try_succeeds(
    client: FlaskClient, new_form: Callable[..., dict[str, str]], sandbox: RunningSandbox
) -> None:
    location = place(client, new_form({"SCALE-01": "1"})).location
    client.get("/")
    assert "€45.00" in client.get("/checkout").text
    sandbox.set("stock", "SCALE-01", 1)
    client.post(f"{location}/retry", data=hidden_fields(client.get(location)))
    assert "Nothing chosen yet" in client.get("/").text


def test_what_nobody_came_back_to_is_forgotten_after_a_month(client: FlaskClient) -> None:
    put(client, {"TEA-GREEN": "2", "POT-CAST": "1"})
    with writing() as session:
        old = update(BasketLine).where(BasketLine.sku == "POT-CAST")
        session.execute(old.values(changed_at=db_now(-BASKETS_KEPT_SECONDS - 1)))
    tidy()
    assert "€25.00" in client.get("/").text


def test_a_network_makes_no_end_of_baskets_but_those_who_have_one_go_on(client: FlaskClient, app: Flask) -> None:
    put(client, {"TEA-GREEN": "1"})
    for _ in range(baskets.NEW_OF_NETWORK - 2):
        baskets.count_new("127.0.0.1")
    answers = []
    for _ in range(2):
        with app.app_context():  # of its own: Flask-WTF keeps a request's token there
            greedy = app.test_client()
            fields = hidden_fields(greedy.get("/")) | {"quantity:TEA-GREEN": "1"}
            answers.append(greedy.post("/basket", data=fields))
    assert [answer.status_code for answer in answers] == [303, 429]
    assert client.post("/total", data=fields | hidden_fields(client.get("/checkout"))).status_code in (200, 400)
    put(client, {"TEA-GREEN": "3"})
    assert "€37.50" in client.get("/checkout").text
    with reading() as session:
        assert session.scalar(select(func.count()).select_from(BasketLine)) == 2


def test_what_is_off_sale_is_nowhere_and_comes_back(
    client: FlaskClient, new_form: Callable[..., dict[str, str]]
) -> None:
    fields = new_form({"TEA-GREEN": "1", "POT-CAST": "1"})
    assert catalogue.retire(["POT-CAST"]) == 1
    assert "Cast iron pot" not in client.get("/").text
    assert "Cast iron pot" not in client.get("/checkout").text
    page = place(client, fields)
    assert page.status_code == 400
    assert "Not sold any more, and left out here: Cast iron pot." in page.text
    assert "isn't sold here" not in html.unescape(page.text)
    doubled = client.post("/orders", data=MultiDict([*fields.items(), ("key", "another")])).text
    assert "left out here: Cast iron pot. This came twice; please type it again." in doubled
    assert "Order and pay €12.50" in page.text
    assert orders() == 0
    assert catalogue.restore(["POT-CAST"]) == 1
    assert "Cast iron pot" in client.get("/checkout").text
    assert place(client, fields).status_code == 303


def test_a_product_s_picture_is_shown_with_its_size(client: FlaskClient) -> None:
    with writing() as session:
        session.execute(update(Product).where(Product.sku == "TEA-GREEN").values(picture="/pictures/tea.webp"))
    assert '<img class="picture" src="/pictures/tea.webp" alt="" width="320" height="240"' in client.get("/").text
