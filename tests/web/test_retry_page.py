"""Every refusal of a retry leads to a page that says what has changed and offers the next step."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select, text, update

from orderapp.domain.states import OrderState
from orderapp.extensions import db
from orderapp.models import Order, Product
from orderapp.services.access.refused_requests import read_refusals
from orderapp.services.db.transactions import reading, writing
from orderapp.services.orders.shop_views import find_shop_order
from orderapp.web.order_reference import reference_of
from tests.web.conftest import hidden_fields
from tests.web.test_order_page import number_of
from tests.web.test_placing import orders, place, title_of


def text_of(page):
    return page.text.replace("&#39;", "'")


@pytest.fixture
def failed(client, new_form, run_tasks):
    """The page of an order of one scale with a coupon, which failed for want of stock."""
    location = place(client, new_form({"SCALE-01": "1"}, coupon="WELCOME10")).location
    run_tasks()
    return location


def press(client, location, page=None, **more):
    return client.post(f"{location}/retry", data={**hidden_fields(page or client.get(location)), **more})


def test_a_retry_beside_its_like_is_asked_about(client, new_form, failed, sandbox):
    sandbox.set("stock", "SCALE-01", 5)
    other = place(client, new_form({"SCALE-01": "1"}, coupon="WELCOME10")).location
    page = press(client, failed)
    assert page.status_code == 409
    assert f'href="{other}"' in page.text
    assert press(client, failed, page).location == failed
    assert title_of(client.get(failed)) == "Your order is confirmed"


def test_a_discount_that_shrank_is_asked_about(client, failed, sandbox):
    sandbox.set("stock", "SCALE-01", 5)
    sandbox.change("UPDATE coupons SET discount = ? WHERE code = 'WELCOME10'", '{"kind": "percent", "value": 5}')
    page = press(client, failed)
    assert page.status_code == 409
    assert "was €40.50, is €42.75" in page.text
    assert press(client, failed, page).location == failed
    assert "€42.75" in client.get(failed).text


def test_a_code_that_is_gone_is_left_out_with_one_press(client, failed, sandbox):
    sandbox.set("stock", "SCALE-01", 5)
    sandbox.change("DELETE FROM coupons WHERE code = 'WELCOME10'")
    page = press(client, failed)
    assert page.status_code == 400
    assert "Order without the coupon, €45.00" in page.text
    answer = press(client, failed, page)
    assert answer.status_code == 303
    assert title_of(client.get(answer.location)) == "Your order is confirmed"
    assert press(client, failed, page).location == answer.location
    assert orders() == 2
    old = client.get(failed)
    assert f'href="{answer.location}"' in old.text
    assert "Try again</button>" not in old.text
    assert "try again now" not in old.text


def test_where_a_code_was_refused_the_page_offers_to_leave_it_out_and_no_vain_retry(client, new_form):
    location = place(client, new_form(coupon="USEDUP")).location
    page = client.get(location)
    assert "Try again</button>" not in page.text
    assert "Order without the coupon, €25.00" in page.text
    answer = press(client, location, page)
    assert title_of(client.get(answer.location)) == "Your order is confirmed"


def test_a_stale_page_s_retry_is_asked_for_once_more(client, failed, sandbox):
    sandbox.set("stock", "SCALE-01", 5)
    page = press(client, failed, csrf_token="")
    assert page.status_code == 400
    assert press(client, failed, page).location == failed
    assert title_of(client.get(failed)) == "Your order is confirmed"


def test_the_address_of_a_retry_leads_to_its_order(client, failed):
    assert client.get(f"{failed}/retry").location == failed
    assert number_of(failed)


def standing():
    with reading() as session:
        confirmed = select(func.count()).select_from(Order).where(Order.state == OrderState.CONFIRMED.value)
        return session.scalar(confirmed)


WITHOUT = {"without": "coupon", "expected_total": "4500 EUR"}


def test_what_was_ordered_anew_is_not_tried_again_in_another_tab(client, failed, sandbox):
    sandbox.set("stock", "SCALE-01", 5)
    tab = client.get(failed)
    anew = press(client, failed, tab, **WITHOUT).location
    page = press(client, failed, tab)
    assert page.status_code == 409
    assert title_of(page) == "You have ordered this anew meanwhile"
    assert f'href="{anew}"' in page.text
    assert "<form" not in page.text.partition("<footer")[0]
    assert standing() == 1


def test_what_was_tried_again_is_not_ordered_anew_in_another_tab(client, failed, sandbox):
    tab = client.get(failed)
    press(client, failed, tab)  # fails once more: nothing of it is left by the time of the other press
    sandbox.set("stock", "SCALE-01", 5)
    page = press(client, failed, tab, **WITHOUT)
    assert (page.status_code, title_of(page)) == (409, "This order was tried again meanwhile")
    assert f'href="{failed}"' in page.text
    assert (standing(), find_shop_order(number_of(failed)).placements, orders()) == (0, 2, 1)


def test_of_both_at_the_same_moment_one_is_placed(app, client, failed, sandbox):
    sandbox.set("stock", "SCALE-01", 5)
    together = threading.Barrier(2)

    def tab(more):
        browser = app.test_client()
        fields = hidden_fields(browser.get(failed))
        together.wait()
        return browser.post(f"{failed}/retry", data=fields | more)

    with ThreadPoolExecutor(2) as pool:
        came = list(pool.map(tab, ({}, WITHOUT)))
    assert {page.status_code for page in came} <= {303, 409}
    assert any(page.status_code == 303 for page in came)
    assert standing() == 1


def test_what_can_t_be_ordered_together_any_more_is_told_and_the_order_can_be_changed(client, new_form, run_tasks):
    location = place(client, new_form({"SCALE-01": "1", "TEA-GREEN": "1"})).location
    run_tasks()
    with writing() as session:
        session.execute(update(Product).where(Product.sku == "TEA-GREEN").values(currency="USD"))
    page = press(client, location, only="", expected_total="")  # as it was
    assert page.status_code == 400
    assert title_of(page) == "Something in your order can&#39;t be had any more"
    assert "Nothing was ordered by this" in page.text
    assert "<form" not in page.text.partition("<footer")[0]
    assert f'again={location.rpartition("/")[2]}"' in page.text
    assert find_shop_order(number_of(location)).placements == 1


def test_too_many_orders_are_told_with_how_long_to_wait_and_nothing_is_lost(client, new_form, failed, sandbox):
    sandbox.set("stock", "SCALE-01", 50)
    for number in range(10):
        if place(client, new_form(name=f"Ada {number}", quantities={"TEA-GREEN": str(number + 1)})).status_code == 429:
            break
    else:
        pytest.fail("No limit was reached.")
    page = press(client, failed, **WITHOUT)
    assert (page.status_code, title_of(page)) == (429, "Too many orders at once")
    assert int(page.headers["Retry-After"]) > 0
    assert hidden_fields(page)["without"] == "coupon"
    assert "Nothing was ordered by this. Wait" in page.text


def refusals():
    with reading() as session:
        return {(area, status, code): count for area, status, code, count in read_refusals(session)}


def test_trying_again_without_end_is_held_back_as_ordering_is(client, failed, run_tasks):
    tries = 0
    while (page := press(client, failed)).status_code == 303:
        tries += 1
        assert tries < 10
        run_tasks()
    assert (page.status_code, title_of(page)) == (429, "Too many orders at once")
    assert find_shop_order(number_of(failed)).placements == tries + 1
    assert 0 < int(page.headers["Retry-After"]) <= 60
    assert hidden_fields(page)["key"]
    assert refusals() == {("shop", 429, "too_many_orders"): 1}


def test_a_database_that_is_away_is_told_and_the_retry_goes_on_once_it_is_back(client, failed, sandbox):
    sandbox.set("stock", "SCALE-01", 5)
    tab = client.get(failed)
    with db.engine.begin() as connection:
        connection.execute(text("ALTER TABLE steps RENAME TO steps_away"))
    page = press(client, failed, tab)
    with db.engine.begin() as connection:
        connection.execute(text("ALTER TABLE steps_away RENAME TO steps"))
    assert page.status_code == 503
    assert press(client, failed, tab).location == failed
    assert title_of(client.get(failed)) == "Your order is confirmed"


@pytest.mark.parametrize("token", [{}, {"csrf_token": "forged"}], ids=["no token", "a forged token"])
@pytest.mark.parametrize("reference", ["of its number alone", "with a forged signature", "nonsense", "of no order"])
def test_a_forged_press_on_an_order_of_somebody_else_is_no_page(client, failed, reference, token):
    number = failed.rpartition("/")[2].partition(".")[0]
    forged = {
        "of its number alone": number,
        "with a forged signature": f"{number}.{'a' * 32}",
        "nonsense": "%00",
        "of no order": reference_of("00000-00000"),
    }[reference]
    answer = client.post(f"/orders/{forged}/retry", data=token)
    assert answer.status_code == 404
    assert number not in answer.text
