"""The catalogue's pages and visitors' baskets, on both databases."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import pytest
from sqlalchemy import delete, select

from orderapp.domain.orders import MAX_LINES, MAX_QUANTITY
from orderapp.errors import InvalidRequest
from orderapp.models import BasketLine, Product, db_now
from orderapp.services.db.transactions import reading, writing
from orderapp.services.engine.recovery import OLD_LINES, tidy
from orderapp.services.orders import baskets, catalogue
from tests.services.shop import Shop
from tests.web.conftest import hidden_fields

NUMBER = 120


@pytest.fixture(autouse=True)
def _products(empty_shop: Shop) -> None:
    # Two of each name: only the SKU tells them apart, also at the edge of a page.
    rows = [
        {"sku": f"P-{number:03}", "name": f"Product {number // 2:03}", "category": "AB"[number % 2]}
        for number in range(NUMBER)
    ]
    with writing() as session:
        session.execute(delete(Product))
        session.add_all(Product(price_minor=100, currency="EUR", updated_at=db_now(), **row) for row in rows)


def test_pages_have_every_product_once_in_order() -> None:
    seen, after = list[str](), ""
    while True:
        page = catalogue.page_of_products(after=after)
        seen += [product.sku for product in page.products]
        assert len(page.products) <= catalogue.ON_A_PAGE
        if page.after is None:
            break
        after = page.after
    assert seen == [f"P-{number:03}" for number in range(NUMBER)]


def test_search_and_category_narrow_together_and_what_is_off_sale_is_left_out() -> None:
    assert [one.sku for one in catalogue.page_of_products("005 prod", "B").products] == ["P-011"]
    assert catalogue.retire(["P-011", "P-010"]) == 2
    assert catalogue.page_of_products("005").products == []
    assert catalogue.names_of_unsold(["P-010", "P-012"]) == ["Product 005"]
    assert catalogue.categories() == ["A", "B"]
    # A page begins after its product, on sale or not.
    assert catalogue.page_of_products(after="P-011").products[0].sku == "P-012"


def test_a_basket_keeps_the_last_number_of_each_product() -> None:
    baskets.put("mine", {"P-001": 2, "P-002": 1, "NO-SUCH": 5})
    baskets.put("mine", {"P-001": 3, "P-002": 0, "P-003": 10 * MAX_QUANTITY})
    baskets.put("yours", {"P-001": 7})
    assert baskets.lines_of("mine") == {"P-001": 3, "P-003": MAX_QUANTITY}
    catalogue.retire(["P-001"])
    assert baskets.lines_of("mine") == {"P-003": MAX_QUANTITY}


def test_a_basket_that_would_be_too_full_stays_as_it_was() -> None:
    baskets.put("mine", {f"P-{number:03}": 1 for number in range(MAX_LINES)})
    with pytest.raises(InvalidRequest):
        baskets.put("mine", {"P-000": 5, "P-119": 1})
    assert baskets.lines_of("mine") == {f"P-{number:03}": 1 for number in range(MAX_LINES)}


def test_old_lines_go_a_part_at_a_time_the_oldest_first() -> None:
    old = 30 * 86_400 + 60
    rows = [{"basket": f"b{number}", "changed_at": db_now(-old - number)} for number in range(OLD_LINES + 1)]
    with writing() as session:
        for row in rows:
            session.add(BasketLine(sku="P-001", quantity=1, **row))
    for left in (["b0"], []):
        tidy()
        with reading() as session:
            assert list(session.scalars(select(BasketLine.basket))) == left


def test_what_is_off_sale_takes_no_room_in_a_basket() -> None:
    baskets.put("mine", {f"P-{number:03}": 1 for number in range(MAX_LINES)})
    catalogue.retire(["P-000"])
    baskets.put("mine", {"P-100": 1})
    assert sorted(baskets.lines_of("mine")) == [f"P-{number:03}" for number in range(1, MAX_LINES + 1)]
    with pytest.raises(InvalidRequest):
        baskets.put("mine", {"P-101": 1})


@pytest.mark.parametrize("bad", ["\0", "\x01", "\ufffe", "\ud800"])
def test_characters_that_no_name_has_are_left_out_of_what_is_looked_for_and_chosen(empty_shop: Shop, bad: str) -> None:
    client = empty_shop.app.test_client()
    token = hidden_fields(client.get("/"))["csrf_token"]
    escaped = "".join(f"%{byte:02x}" for byte in bad.encode("utf-8", "surrogatepass"))
    for asked in ("search=a", "after=", "category=a"):
        assert client.get(f"/?{asked}{escaped}b").status_code == 200
    for address, chosen in itertools.product(("/basket", "/total", "/orders", "/summary"), ("", "quantity:P-001=2")):
        data = f"csrf_token={token}&name=Ada{escaped}&quantity:a{escaped}b=1&shown:a{escaped}=1+EUR&{chosen}"
        sent = client.post(address, data=data, content_type="application/x-www-form-urlencoded")
        assert sent.status_code < 500, address
    assert "Product 000" in client.get("/checkout").text


def test_presses_at_the_same_moment_lose_nothing(empty_shop: Shop) -> None:
    def press(number: int) -> None:
        baskets.put("mine", {f"P-{number:03}": 1, "P-100": 4})

    with ThreadPoolExecutor(8) as threads:
        for done in [threads.submit(copy_context().run, press, number) for number in range(16)]:
            done.result()
    assert baskets.lines_of("mine") == {f"P-{number:03}": 1 for number in range(16)} | {"P-100": 4}
