"""The page of an order, without JavaScript."""

import re

import pytest
from sqlalchemy import update

from orderapp.domain.states import TaskKind, TaskState
from orderapp.models import SwitchMode, Task
from orderapp.services.backoffice import task_actions
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.services.db.transactions import writing
from orderapp.services.engine.run_task import run_task
from orderapp.services.orders.cancel import cancel_order
from orderapp.services.orders.shop_views import find_shop_order
from orderapp.services.resilience.switches import switch_system
from orderapp.web.order_reference import retry_key
from tests.web.conftest import hidden_fields
from tests.web.test_placing import place, title_of


def without_request_id(page):
    return re.sub(r'<span class="reference">\w+</span>', "", page.text)


def number_of(location):
    return location.rpartition("/")[2].partition(".")[0]


def test_what_is_out_of_stock_is_told_and_given_back_and_can_be_tried_again(client, new_form, run_tasks, sandbox):
    sandbox.set("stock", "POT-CAST", 0)
    location = place(client, new_form({"POT-CAST": "1"}, coupon="WELCOME10")).location
    page = client.get(location)
    assert "\u201cCast iron pot\u201d is sold out." in page.text
    assert 'http-equiv="refresh"' in page.text or "Try again" in page.text
    run_tasks()
    page = client.get(location)
    assert "nothing is held for you" in page.text
    assert 'http-equiv="refresh"' not in page.text
    sandbox.set("stock", "POT-CAST", 5)
    fields = hidden_fields(page)
    assert client.post(f"{location}/retry", data=fields).location == location
    assert title_of(client.get(location)) == "Your order is confirmed"
    client.post(f"{location}/retry", data=fields)
    assert sandbox.value("stock", "POT-CAST", "available") == 4


def test_the_key_of_a_retry_is_the_same_on_every_reload(client, new_form, run_tasks):
    location = place(client, new_form({"SCALE-01": "1"})).location
    run_tasks()
    first, second = (hidden_fields(client.get(location))["key"] for _ in range(2))
    assert first == second
    client.post(f"{location}/retry", data=hidden_fields(client.get(location)))
    run_tasks()
    assert hidden_fields(client.get(location))["key"] != first


def test_while_it_is_undone_the_page_refreshes_itself_and_offers_no_retry(client, new_form, sandbox):
    sandbox.fault("inventory", "error_before")
    location = place(client, new_form()).location
    page = client.get(location)
    assert title_of(page) == "Your order could not be placed"
    assert "Nothing is charged" in page.text
    assert 'http-equiv="refresh"' in page.text
    assert "Try again</button>" not in page.text
    key = retry_key(number_of(location), 1)
    answer = client.post(f"{location}/retry", data={**hidden_fields(client.get("/checkout")), "key": key})
    assert answer.location == location


@pytest.mark.parametrize("key", [None, "", "k" * 32, "k" * 10_000, "nul\0", "retry-1-", "\N{TEACUP WITHOUT HANDLE}"])
def test_a_retry_under_a_key_that_the_page_did_not_give_out_is_refused(client, new_form, run_tasks, key):
    location = place(client, new_form({"SCALE-01": "1"})).location
    run_tasks()
    fields = hidden_fields(client.get(location)) | {"key": key}
    answer = client.post(f"{location}/retry", data={name: text for name, text in fields.items() if text is not None})
    assert answer.status_code == 400
    assert "Nothing was changed" in answer.text
    assert find_shop_order(number_of(location)).placements == 1


def test_a_failed_order_can_be_changed_and_the_form_tells_no_stranger_who_ordered(app, client, new_form, run_tasks):
    location = place(client, new_form({"SCALE-01": "7"})).location
    run_tasks()
    page = app.test_client().get("/checkout", query_string={"again": location.rpartition("/")[2]})
    assert 'name="quantity:SCALE-01" value="7"' in page.text
    assert "Ada Lovelace" not in page.text


def test_a_cancelled_order_is_told_as_such(app, client, new_form, run_tasks):
    location = place(client, new_form()).location
    run_tasks()
    order = find_shop_order(number_of(location))
    cancel_order(order.id, app.extensions["orderapp.settings"])
    assert title_of(client.get(location)) == "Your order is being cancelled"
    run_tasks()
    page = client.get(location)
    assert title_of(page) == "Your order is cancelled"
    assert "anything that was paid is returned" in page.text


def test_when_all_is_done_the_page_asks_seldom_and_when_it_is_cancelled_no_more(app, client, new_form, run_tasks):
    location = place(client, new_form(phone="+49 30 901820")).location
    assert 'data-changing="yes"' in client.get(f"{location}/status").text
    run_tasks()
    assert 'data-changing="seldom"' in client.get(f"{location}/status").text
    cancel_order(find_shop_order(number_of(location)).id, app.extensions["orderapp.settings"])
    run_tasks()
    assert 'data-changing="no"' in client.get(f"{location}/status").text


def test_what_staff_gave_up_is_told_as_given_up_and_the_page_asks_seldom(client, new_form, run_tasks):
    location = place(client, new_form(phone="+49 30 901820")).location
    order = find_shop_order(number_of(location))
    given_up = task_actions.cancel([task.id for task in order.tasks], COMMAND_LINE, "the customer was called")
    assert [item.done for item in given_up.items] == [True, True, True]
    run_tasks()
    page = client.get(location).text.replace("&#39;", "'")
    assert title_of(client.get(location)) == "Your order is confirmed, but the payment is still open"
    assert "We have all we need from you" not in page
    assert "Still open; we will be in touch with you about it" in page
    assert "Wasn't sent; your order is safe all the same" in page
    assert "We couldn't send you a confirmation" in page
    assert not any(text in page for text in ("n its way", "In progress", "need do nothing"))
    assert 'data-changing="seldom"' in page


def test_what_staff_gave_up_giving_back_is_told_as_not_given_back(app, client, new_form, run_tasks, sandbox):
    location = place(client, new_form()).location
    run_tasks()
    settings = app.extensions["orderapp.settings"]
    order = cancel_order(find_shop_order(number_of(location)).id, settings)
    returns = [task.id for task in order.tasks if task.kind is TaskKind.COMPENSATE]
    task_actions.cancel(returns, COMMAND_LINE, "settled by phone")
    page = client.get(location)
    assert title_of(page) == "Your order is cancelled, but not all was given back"
    assert "We are giving back" not in page.text
    assert "write to us" in page.text
    task_actions.requeue(returns, COMMAND_LINE, "it works again", settings)
    assert title_of(client.get(location)) == "Your order is being cancelled"


def test_what_waits_for_a_paused_system_is_told_as_waiting(app, client, new_form, run_tasks):
    settings = app.extensions["orderapp.settings"]
    location = place(client, new_form()).location
    for name in ("settlement", "email"):
        switch_system(name, SwitchMode.PAUSED, COMMAND_LINE, "they move house", settings)
    page = client.get(location).text
    assert "Will be taken as soon as we can; you need do nothing" in page
    assert "A confirmation will be sent to you as soon as we can" in page
    switch_system("settlement", SwitchMode.COMPENSATE_ONLY, COMMAND_LINE, "almost", settings)
    assert "Will be taken as soon as we can; you need do nothing" in client.get(location).text
    switch_system("settlement", SwitchMode.ON, COMMAND_LINE, "done", settings)
    assert "In progress; you need do nothing" in client.get(location).text


def test_a_refused_payment_is_told_as_such(client, new_form, run_tasks, sandbox):
    sandbox.set("options", "settlement_limit_minor", 100)
    location = place(client, new_form()).location
    run_tasks()
    page = client.get(location)
    assert title_of(page) == "Your order is confirmed, but the payment was refused"
    assert "Refused; we will be in touch with you about it" in page.text
    assert "longer than usual" not in page.text
    assert "need do nothing" not in page.text


def test_a_payment_that_got_no_answer_is_not_told_as_refused(app, client, new_form, sandbox):
    location = place(client, new_form()).location
    sandbox.fault("settlement", "error_before")
    payment = next(task for task in find_shop_order(number_of(location)).tasks if task.kind is TaskKind.SETTLE)
    run_task(payment.id, app.extensions["orderapp.settings"])
    with writing() as session:
        in_staffs_hands = {"state": TaskState.FAILED.value, "due_at": None, "publish_at": None}
        session.execute(update(Task).where(Task.id == payment.id).values(in_staffs_hands))
    page = client.get(location)
    assert title_of(page) == "Your order is confirmed"
    assert "Takes longer than usual" in page.text


def version_of(page):
    return re.search(r'data-version="(\w+)"', page.text)[1]


def test_the_version_of_what_is_shown_is_the_same_until_something_else_is(client, new_form, run_tasks):
    location = place(client, new_form({"SCALE-01": "1"}, coupon="WELCOME10")).location
    run_tasks()
    first = client.get(location)
    assert version_of(first) == version_of(client.get(f"{location}/status"))
    assert client.post(f"{location}/retry", data=hidden_fields(first)).status_code == 303
    run_tasks()
    again = client.get(location)
    without = {"without": "coupon", "expected_total": "4500 EUR"}
    assert title_of(again) == title_of(first)
    assert version_of(again) != version_of(first)  # its button has another key
    assert client.post(f"{location}/retry", data=hidden_fields(again) | without).status_code == 303
    with_successor = client.get(f"{location}/status")
    assert "You have ordered this anew since" in with_successor.text
    assert version_of(with_successor) != version_of(again)


def test_a_confirmation_is_on_its_way_until_it_was_sent(client, new_form, run_tasks):
    location = place(client, new_form()).location
    assert "A confirmation is on its way to you." in client.get(location).text
    run_tasks()
    page = client.get(location).text
    assert "A confirmation was sent to you." in page
    assert "on its way" not in page


def test_the_confirmation_mail_leads_to_the_page(client, new_form, run_tasks, sandbox):
    location = place(client, new_form()).location
    run_tasks()
    (mail,) = sandbox.rows("mails")
    assert f"http://shop.localhost{location}" in mail["body"].split()


@pytest.mark.parametrize("mode", [SwitchMode.PAUSED, SwitchMode.COMPENSATE_ONLY])
def test_while_staff_have_paused_a_system_nobody_is_told_of_an_answer_that_was_late(
    app, client, new_form, run_tasks, mode
):
    switch_system("inventory", mode, COMMAND_LINE, "stocktaking", app.extensions["orderapp.settings"])
    location = place(client, new_form()).location
    run_tasks()
    page = client.get(location).text.replace("&#39;", "'")
    assert "we can't arrange this at the moment; please try again later" in page
    assert not any(text in page for text in ("reliable answer", "try again now"))
    assert "Try again</button>" in page


def test_the_status_is_the_changing_part_alone(client, new_form):
    location = place(client, new_form()).location
    status = client.get(f"{location}/status")
    assert status.headers["Cache-Control"] == "no-store"
    assert "<html" not in status.text
    assert status.text.strip() in client.get(location).text


@pytest.mark.parametrize("change", [lambda ref: ref[:-1], lambda ref: ref + "A", lambda ref: ref.partition(".")[0]])
@pytest.mark.parametrize("rest", ["", "/status"])
def test_a_wrong_reference_looks_like_an_order_that_doesn_t_exist(client, new_form, change, rest):
    location = place(client, new_form()).location
    wrong, absent = client.get(change(location) + rest), client.get("/orders/00000-00000.abc" + rest)
    assert wrong.status_code == absent.status_code == 404
    assert without_request_id(wrong) == without_request_id(absent)


def test_a_retry_of_a_wrong_reference_does_nothing(client):
    fields = hidden_fields(client.get("/checkout"))
    assert client.post("/orders/00000-00000.abc/retry", data=fields).status_code == 404


def test_a_retry_without_a_token_is_refused(client, new_form):
    location = place(client, new_form()).location
    page = client.post(f"{location}/retry", data={"key": "k" * 32})
    assert page.status_code == 400
    assert "Nothing was changed" in page.text


def test_an_order_form_cant_use_up_the_key_of_another_orders_retry(client, new_form, sandbox):
    sandbox.fault("inventory", "down")
    location = place(client, new_form()).location
    sandbox.clear_faults()
    key = retry_key(number_of(location), 1)
    answer = place(client, new_form(key=key, email="eve@example.com"))
    assert answer.status_code == 400
    assert "the key by which another order is tried again. Nothing was ordered" in answer.text
    assert hidden_fields(answer)["key"] != key
