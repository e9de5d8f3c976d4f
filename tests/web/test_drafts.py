"""A form's key belongs to what is typed into it: it outlives a lost answer, and the price that was shown is kept to."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from orderapp.models import Product
from orderapp.services.db.transactions import writing
from tests.web.conftest import hidden_fields, put
from tests.web.test_placing import orders, place, title_of


def set_price(sku, minor):
    with writing() as session:
        session.get_one(Product, sku).price_minor = minor


def forget_answer(client, fields):
    """Place an order whose answer, cookies included, never arrives."""
    cookie = client.get_cookie("orderapp").value
    location = place(client, fields).location
    client.set_cookie("orderapp", cookie)
    return location


def test_a_first_visit_s_form_is_kept_for_going_back_in_spite_of_the_cookie_that_comes_with_it(client):
    page = client.get("/checkout")
    assert "Set-Cookie" in page.headers
    assert "Cookie" not in page.headers.get("Vary", "")
    assert page.headers["Cache-Control"] == "private, no-cache"


def test_after_a_lost_answer_the_form_comes_back_with_its_key_and_the_order(client, new_form):
    fields = new_form()
    location = forget_answer(client, fields)
    page = client.get("/checkout")
    assert "Your order arrived" in page.text
    assert f'href="{location}"' in page.text
    assert hidden_fields(page)["key"] == fields["key"]
    assert place(client, {**fields, **hidden_fields(page)}).location == location
    assert orders() == 1


def test_after_an_answer_or_on_a_new_order_nothing_of_an_earlier_one_is_told(client, new_form):
    fields = new_form()
    forget_answer(client, fields)
    assert "Your order arrived" not in client.get("/?new=1").text
    assert hidden_fields(client.get("/checkout"))["key"] != fields["key"]
    assert "Your order arrived" not in client.get("/checkout").text
    place(client, new_form({"POT-CAST": "1"}))
    assert "Your order arrived" not in client.get("/checkout").text


def test_whoever_has_seen_the_order_s_page_is_told_nothing_of_it_on_the_form(client, new_form):
    client.get(forget_answer(client, new_form()))
    assert "Your order arrived" not in client.get("/checkout").text


def test_what_became_of_a_key_is_answered_to_whoever_has_it(app, client, new_form):
    fields = new_form()
    assert client.get("/draft", headers={"Draft-Key": fields["key"]}).status_code == 204
    location = place(client, fields).location
    assert location in app.test_client().get("/draft", headers={"Draft-Key": fields["key"]}).text
    for wrong in ("", "k" * 500, "nul\udc80", fields["key"][:-1]):
        assert client.get("/draft", headers={"Draft-Key": wrong.encode("utf-8", "replace").decode()}).status_code == 204


def test_how_far_an_order_has_come_is_answered_to_whoever_has_its_key(app, client, new_form):
    fields = new_form()
    assert client.get("/draft/steps", headers={"Draft-Key": fields["key"]}).status_code == 204
    placed = client.post("/orders", data=fields, headers={"Sending": "script"})
    told = app.test_client().get("/draft/steps", headers={"Draft-Key": fields["key"]})
    assert told.headers["Cache-Control"] == "no-store"
    assert (told.json["order"], told.json["placing"]) == (placed.json["order"], False)
    for wrong in ("", "k" * 500, fields["key"][:-1], fields["key"].upper()):
        assert client.get("/draft/steps", headers={"Draft-Key": wrong}).status_code == 204


def test_a_form_that_is_opened_again_has_the_same_key_until_its_basket_is_ordered(client, new_form):
    fields = new_form()
    page = client.get("/checkout")
    assert hidden_fields(page)["key"] == fields["key"]
    assert "If you have sent this order already" in page.text
    client.get(place(client, fields).location)
    assert hidden_fields(client.get("/checkout"))["key"] != fields["key"]
    client.get("/")
    page = client.get("/checkout")
    assert hidden_fields(page)["key"] != fields["key"]
    assert "If you have sent this order already" not in client.get("/checkout?again=x").text


def test_the_browser_keeps_the_cookie_for_as_long_as_the_basket_is_kept(client):
    client.get("/checkout")
    kept = client.get_cookie("orderapp").expires - datetime.now(UTC)
    assert timedelta(days=29) < kept <= timedelta(days=30)


def test_where_the_key_has_an_order_nobody_is_told_that_nothing_was_ordered(app, client, new_form):
    """The answer was lost, the cookie as well, and the same form is sent again."""
    fields = new_form()
    location = place(client, fields).location
    page = place(app.test_client(), fields)
    assert page.status_code == 400
    assert "Nothing was ordered" not in page.text
    assert f'href="{location}"' in page.text
    assert orders() == 1


def test_without_cookies_the_page_says_that_they_are_needed_and_keeps_what_was_typed(app, new_form):
    page = place(app.test_client(use_cookies=False), new_form())
    assert page.status_code == 400
    assert "Allow cookies" in page.text
    assert 'value="Ada Lovelace"' in page.text
    assert orders() == 0


@pytest.mark.parametrize("address", ["/orders", "/total"])
def test_an_address_that_forms_are_sent_to_leads_back_to_the_form(client, address):
    answer = client.get(address)
    assert (answer.status_code, answer.location) == (303, "/checkout")


def test_a_price_raised_between_page_and_press_is_asked_about(client, new_form):
    fields = new_form({"TEA-GREEN": "2", "POT-CAST": "1"})
    set_price("TEA-GREEN", 1300)
    page = place(client, fields)
    assert page.status_code == 409
    assert title_of(page) == "The price has changed"
    assert "was €12.50 each, is €13.00 each" in page.text
    assert "was €114.00, is €115.00" in page.text
    assert orders() == 0
    again = hidden_fields(page)
    assert again["key"] == fields["key"]
    set_price("TEA-GREEN", 1400)
    assert place(client, again).status_code == 409
    set_price("TEA-GREEN", 1300)
    assert place(client, again).status_code == 303


def test_a_discount_that_shrank_after_it_was_shown_is_asked_about(client, new_form, sandbox):
    fields = new_form(coupon="WELCOME10")
    set_price("TEA-GREEN", 1300)
    page = place(client, fields)
    assert "€23.40" in page.text
    sandbox.change("UPDATE coupons SET discount = ? WHERE code = 'WELCOME10'", '{"kind": "percent", "value": 5}')
    page = place(client, hidden_fields(page))
    assert page.status_code == 409
    assert "was €23.40, is €24.70" in page.text
    assert place(client, hidden_fields(page)).status_code == 303


def test_a_form_that_is_shown_again_says_which_price_has_changed_meanwhile(client, new_form):
    fields = new_form(email="ada@")
    set_price("TEA-GREEN", 1300)
    page = place(client, fields)
    assert re.search(r"€13\.00 \(was €12\.50\)", page.text)


def test_only_the_session_that_placed_it_is_led_to_the_other_order(app, client, new_form):
    location = place(client, new_form()).location
    with app.app_context():  # of its own: Flask-WTF keeps a request's token there
        stranger = app.test_client()
        typed = {"name": "Eve", "email": "ADA@example.com", "quantity:TEA-GREEN": "2"}
        page = place(stranger, {**hidden_fields(stranger.get("/checkout")), **typed})
    assert page.status_code == 409
    assert location not in page.text
    assert "in the e-mail" in page.text
    assert f'href="{location}"' in place(client, new_form()).text


def test_only_the_session_that_placed_it_gets_everything_typed_back(app, client, new_form, run_tasks):
    fields = new_form({"SCALE-01": "7"}, phone="+49 30 901820", coupon="WELCOME10")
    location = place(client, fields).location
    run_tasks()
    again = {"again": location.rpartition("/")[2]}
    page = client.get("/checkout", query_string=again).text
    for kept in ("Ada Lovelace", "ada@example.com", "+4930901820", "WELCOME10", 'value="7"'):
        assert kept in page
    assert "Ada Lovelace" not in app.test_client().get("/checkout", query_string=again).text


def test_a_new_order_after_a_lost_answer_begins_with_an_empty_basket(client, new_form):
    forget_answer(client, new_form())
    assert "Nothing chosen yet" in client.get("/?new=1").text
    assert "Nothing yet." in client.get("/checkout").text


def test_after_its_page_was_seen_the_basket_of_a_lost_answer_is_not_ordered_again(client, new_form):
    client.get(forget_answer(client, new_form()))
    assert "Nothing chosen yet" in client.get("/").text


def test_an_earlier_order_s_products_are_ordered_without_touching_the_basket(client, new_form, sandbox):
    location = place(client, new_form({"SCALE-01": "1"})).location
    put(client, {"TEA-GREEN": "3"})
    page = client.get("/checkout", query_string={"again": location.rpartition("/")[2]})
    fields = {**hidden_fields(page), "name": "Ada", "email": "ada@example.com", "quantity:SCALE-01": "1"}
    assert "data-basket-url" not in page.text
    assert "€37.50" in client.get("/").text
    page = client.post("/total", data={**fields, "quantity:SCALE-01": "2"})
    assert "€90.00" in page.text
    assert "€37.50" in client.get("/").text
    sandbox.set("stock", "SCALE-01", 1)
    cookie = client.get_cookie("orderapp").value
    assert place(client, fields | {"expected_total": "", "key": hidden_fields(page)["key"]}).status_code == 303
    assert "€37.50" in client.get("/").text
    client.set_cookie("orderapp", cookie)  # its answer was lost
    assert "€37.50" in client.get("/?new=1").text
