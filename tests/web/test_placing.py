"""Placing an order with the form, against the sandbox, without JavaScript."""

import contextvars
import re
import threading
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from orderapp.domain.customers import PhoneRules
from orderapp.models import Order
from orderapp.services.db.transactions import reading
from tests.web.conftest import hidden_fields


def orders():
    with reading() as session:
        return session.scalar(select(func.count()).select_from(Order))


def place(client, fields):
    return client.post("/orders", data=fields)


def title_of(page):
    return re.search("<title>(.*?) – Orderapp</title>", page.text, re.DOTALL).group(1)


def test_the_form_shows_what_is_sold_with_its_price(client):
    page = client.get("/")
    assert page.status_code == 200
    assert "Green tea, 100 g" in page.text
    assert "€89.00" in page.text


def test_each_form_has_a_key_of_its_own(client):
    assert hidden_fields(client.get("/checkout"))["key"] != hidden_fields(client.get("/checkout"))["key"]


def test_the_total_is_told_without_ordering_anything(client, new_form):
    page = client.post("/total", data=new_form({"TEA-GREEN": "2", "POT-CAST": "1"}, name="", coupon="X"))
    assert "€114.00" in page.text
    assert 'value="X"' in page.text
    assert orders() == 0


def test_an_order_leads_to_its_page_where_it_is_confirmed(client, new_form, sandbox):
    answer = place(client, new_form())
    assert answer.status_code == 303
    page = client.get(answer.location)
    assert title_of(page) == "Your order is confirmed"
    assert page.headers["Cache-Control"] == "no-store"
    assert "€25.00" in page.text
    assert sandbox.value("stock", "TEA-GREEN", "available") == 998


def test_the_same_form_sent_again_leads_to_the_same_order(client, new_form):
    fields = new_form()
    assert place(client, fields).location == place(client, fields).location
    assert orders() == 1


def test_a_form_sent_many_times_at_once_places_one_order(app, client, new_form, sandbox):
    fields, answers = new_form(), []
    cookies = client.get_cookie("orderapp").value

    def send():
        with app.app_context():
            other = app.test_client()
            other.set_cookie("orderapp", cookies)
            answers.append(place(other, fields))

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} == {303}
    assert len({answer.location for answer in answers}) == 1
    assert sandbox.value("stock", "TEA-GREEN", "available") == 998


def test_a_mistake_keeps_everything_typed_and_the_key(client, new_form):
    fields = new_form({"TEA-GREEN": "x", "POT-CAST": "1"}, email="ada@", phone="<b>")
    page = place(client, fields)
    assert page.status_code == 400
    assert title_of(page) == "Error: Your order"
    assert hidden_fields(page)["key"] == fields["key"]
    for kept in ('value="x"', 'value="ada@"', 'value="&lt;b&gt;"', 'href="#field-email"', 'aria-invalid="true"'):
        assert kept in page.text
    assert orders() == 0


def test_an_empty_basket_is_told_as_no_product_s_mistake(client, new_form):
    page = place(client, new_form({"TEA-GREEN": "0"}))
    assert page.status_code == 400
    assert '<a href="#field-lines">Choose at least one product.</a>' in page.text
    assert page.text.count('id="field-lines"') == 1
    assert re.search('id="field-lines" name="quantity:[^>]* aria-describedby="field-lines-error"', page.text, re.DOTALL)
    assert page.text.count('id="field-lines-error"') == 1


def test_a_name_that_nobody_can_see_is_refused(client, new_form):
    page = place(client, new_form(name="\u0301\ufe0f"))
    assert page.status_code == 400
    assert "Use letters or digits that can be seen." in page.text
    assert orders() == 0


def test_a_mistake_corrected_places_the_order_under_the_same_key(client, new_form):
    fields = new_form(email="ada@")
    place(client, fields)
    assert place(client, {**fields, "email": "ada@example.com"}).status_code == 303


@pytest.mark.parametrize("coupon", ["NO-SUCH-CODE", "A B", "<script>alert(1)</script>", "A\x00B"])
def test_a_coupon_that_can_t_be_used_is_told_at_its_field_and_nothing_is_recorded(client, new_form, coupon):
    page = place(client, new_form(coupon=coupon))
    assert page.status_code == 400
    assert 'href="#field-coupon"' in page.text
    assert "<script>alert" not in page.text
    assert orders() == 0


def test_a_price_sent_along_is_not_believed(client, new_form):
    answer = place(client, {**new_form(), "price": "1", "total": "1", "price:TEA-GREEN": "1"})
    assert "€25.00" in client.get(answer.location).text


def test_a_product_that_isn_t_sold_is_refused(client, new_form):
    page = place(client, new_form({"TEA-GREEN": "1", "GONE": "1"}))
    assert page.status_code == 400
    assert "isn't sold here" in page.text.replace("&#39;", "'")


def test_the_same_cart_under_another_key_is_asked_about_first(client, new_form):
    first = place(client, new_form())
    page = place(client, new_form())
    assert page.status_code == 409
    assert title_of(page) == "You have just ordered exactly this"
    assert f'href="{first.location}"' in page.text
    assert orders() == 1
    again = place(client, hidden_fields(page))
    assert again.status_code == 303
    assert again.location != first.location


def test_a_placed_form_with_other_content_is_explained_and_can_be_a_new_order(client, new_form):
    fields = new_form(expected_total="")
    first = place(client, fields)
    page = place(client, {**fields, "quantity:TEA-GREEN": "3"})
    assert page.status_code == 422
    assert f'href="{first.location}"' in page.text
    assert orders() == 1
    assert hidden_fields(page)["key"] != fields["key"]
    assert place(client, hidden_fields(page)).status_code == 303


def test_nobody_without_the_form_s_key_is_led_to_its_order(client, new_form):
    """Neither under another key, nor with the key of another form."""
    fields = new_form(expected_total="")
    location = place(client, fields).location
    keys = (fields["key"][:-1], fields["key"].swapcase(), hidden_fields(client.get("/checkout"))["key"])
    for quantity, key in enumerate(keys, 3):
        answer = place(client, {**fields, "key": key, "email": "eve@example.com", "quantity:TEA-GREEN": str(quantity)})
        assert answer.status_code == 303
        assert location not in (answer.location, answer.text)


def test_without_a_token_nothing_is_ordered_and_nothing_typed_is_lost(client, new_form):
    fields = new_form()
    del fields["csrf_token"]
    page = place(client, fields)
    assert page.status_code == 400
    assert 'value="Ada Lovelace"' in page.text
    assert orders() == 0
    assert place(client, {**fields, "csrf_token": hidden_fields(page)["csrf_token"]}).status_code == 303


def test_a_form_that_is_far_too_large_gets_a_page_in_plain_words(client, new_form):
    page = place(client, new_form(name="x" * 300_000))
    assert page.status_code == 413
    assert "too much at once" in page.text


def test_a_shop_without_products_says_so(app, client):
    from orderapp.models import Product
    from orderapp.services.db.transactions import writing

    with writing() as session:
        session.query(Product).delete()
    assert "Nothing is for sale yet" in client.get("/").text


def test_whoever_guesses_coupon_codes_is_held_back_by_the_eleventh(client, new_form):
    """Forged forwarding headers make no other visitor of anybody."""
    statuses = [
        client.post(
            "/orders",
            data=new_form({"TEA-GREEN": "1"}, coupon=f"GUESS{number}"),
            headers={"X-Forwarded-For": f"198.51.100.{number}"},
        ).status_code
        for number in range(11)
    ]
    assert statuses[:10] == [400] * 10
    assert statuses[10] == 429


def test_whoever_orders_like_a_program_is_held_back_and_loses_nothing_typed(client, new_form):
    statuses = [place(client, new_form(email=f"ada{number}@example.com")).status_code for number in range(10)]
    assert statuses == [303] * 10
    fields = new_form(email="ada@example.com", coupon="WELCOME10")
    page = place(client, fields)
    assert page.status_code == 429
    assert 0 < int(page.headers["Retry-After"]) <= 60
    assert "Nothing was ordered" in page.text
    assert hidden_fields(page)["key"] == fields["key"]
    for kept in ('value="Ada Lovelace"', 'value="ada@example.com"', 'value="WELCOME10"'):
        assert kept in page.text
    assert orders() == 10


def place_from_another_browser(app, **typed):
    """Place an order as a server would get it: outside of the test's own application context."""

    def send():
        browser = app.test_client()
        fields = {**hidden_fields(browser.get("/checkout")), "name": "Ada", "quantity:TEA-GREEN": "1"}
        return place(browser, {**fields, **typed})

    return contextvars.Context().run(send)


def test_one_mailbox_gets_no_flood_of_mails_in_whatever_spelling(app):
    spellings = [f"{'aA'[number % 2]}da+{number}@Example.com" for number in range(8)]
    statuses = [place_from_another_browser(app, email=email).status_code for email in spellings]
    assert statuses == [303] * 6 + [429] * 2


def test_too_many_wrong_codes_leave_orders_without_one(app, client, new_form):
    for number in range(10):
        place(client, new_form(coupon=f"GUESS{number}"))
    page = place(client, new_form(coupon="WELCOME10"))
    assert page.status_code == 429
    assert "Leave the codes empty" in page.text
    assert place(client, new_form()).status_code == 303
    assert place_from_another_browser(app, email="bob@example.com", coupon="WELCOME10").status_code == 303


@pytest.mark.parametrize(
    ("country", "hint"),
    [("", "For a text message, with the country code."), ("DE", "For a text message; from abroad, with the")],
)
def test_the_form_asks_for_a_country_code_where_one_is_needed(app, country, hint):
    settings = app.extensions["orderapp.settings"]
    app.extensions["orderapp.settings"] = replace(settings, phones=PhoneRules(country))
    assert hint in app.test_client().get("/checkout").text
