"""Every refusal of a retry leads to a page that says what has changed and offers the next step."""

import pytest

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
