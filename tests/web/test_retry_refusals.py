"""What a customer reads, and can do next, where a failed order isn't tried again: one case for each refusal."""

import threading
from concurrent.futures import Future

import pytest
from sqlalchemy import update

from orderapp.load_shedding import WAITING_PER_THREAD, Threads
from orderapp.models import Order, SwitchMode, db_now
from orderapp.services.access import code_guesses
from orderapp.services.archive.archive import archive
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.services.db.transactions import writing
from orderapp.services.orders.cancel import cancel_order
from orderapp.services.orders.shop_views import find_shop_order
from orderapp.services.resilience.switches import switch_system
from orderapp.web.order_reference import retry_key
from tests.services.archives import AGE, let_days_pass
from tests.web.conftest import hidden_fields
from tests.web.test_order_page import number_of
from tests.web.test_placing import orders, place, title_of
from tests.web.test_retry_page import WITHOUT, press, text_of

CHANGE = "Change the order"
TRY_AGAIN = "Try again</button>"
NOTHING_ORDERED = "Nothing was ordered by this."


@pytest.fixture
def failed(client, new_form, run_tasks):
    """The page of an order of one scale with a coupon, which failed for want of stock."""
    location = place(client, new_form({"SCALE-01": "1"}, coupon="WELCOME10")).location
    run_tasks()
    return location


def assert_over(page, failed):
    """Check that nothing is left to press, and that the way back is there."""
    assert "<form" not in page.text.partition("<footer")[0]
    assert f'href="{failed}"' in page.text


@pytest.fixture
def ordered_anew_and_archived(app, client, failed, sandbox, run_tasks, tmp_path):
    """An open page of the failed order, in whose place another one was ordered, which is archived since."""
    sandbox.set("stock", "SCALE-01", 5)
    tab = client.get(failed)
    press(client, failed, tab, **WITHOUT)
    run_tasks()
    let_days_pass()
    with writing() as session:
        session.execute(update(Order).where(Order.number == number_of(failed)).values(updated_at=db_now()))
    settings = app.extensions["orderapp.settings"]
    archive(AGE, tmp_path / "orders.jsonl", COMMAND_LINE, settings, lambda _: None, threading.Event())
    assert orders() == 1
    return tab


def test_the_same_once_more_whose_order_is_archived(client, failed, ordered_anew_and_archived):
    page = press(client, failed, ordered_anew_and_archived, **WITHOUT)
    assert (page.status_code, title_of(page)) == (410, "You ordered this anew long ago")
    assert "is archived by now. Nothing was ordered by this." in page.text
    assert_over(page, failed)
    assert orders() == 1


def test_a_retry_in_whose_place_an_archived_order_stands(client, failed, ordered_anew_and_archived):
    page = press(client, failed, ordered_anew_and_archived)
    assert (page.status_code, title_of(page)) == (409, "You have ordered this anew meanwhile")
    assert "That order is archived by now. Nothing was ordered by this." in page.text
    assert_over(page, failed)
    assert (orders(), find_shop_order(number_of(failed)).placements) == (1, 1)


@pytest.fixture
def send_beside():
    """Sends a request to a web process whose threads and queue are full."""
    threads, go_on, begun = Threads(1), threading.Event(), threading.Event()

    def busy():
        begun.set()
        go_on.wait(30)

    threads.submit(busy)
    assert begun.wait(10)
    for _ in range(WAITING_PER_THREAD):
        threads.submit(go_on.wait, 30)

    def send(request):
        came: Future = threads.submit(request)
        return came.result(30)

    yield send
    go_on.set()
    threads.shutdown()


@pytest.mark.parametrize("more", [{}, WITHOUT], ids=["as it was", "without its coupon"])
def test_where_too_many_orders_come_in_at_once(client, failed, sandbox, send_beside, more):
    sandbox.set("stock", "SCALE-01", 5)
    fields = {**hidden_fields(client.get(failed)), **more}
    page = send_beside(lambda: client.post(f"{failed}/retry", data=fields))
    assert (page.status_code, title_of(page)) == (503, "A great many orders are coming in")
    assert int(page.headers["Retry-After"]) > 0
    assert page.headers["Cache-Control"] == "no-store"
    assert "This try was turned away, and did nothing" in page.text
    assert TRY_AGAIN in page.text
    again = hidden_fields(page)
    assert (again["key"], again.get("without", "")) == (fields["key"], more.get("without", ""))
    assert (orders(), find_shop_order(number_of(failed)).placements) == (1, 1)
    location = press(client, failed, page).location
    assert title_of(client.get(location)) == "Your order is confirmed"


def test_an_order_that_is_not_failed_any_more(app, client, failed, sandbox, run_tasks):
    sandbox.set("stock", "SCALE-01", 5)
    tab = client.get(failed)
    press(client, failed, tab)
    cancel_order(find_shop_order(number_of(failed)).id, app.extensions["orderapp.settings"])
    run_tasks()
    # As a page would send it that was open while the second placement had failed.
    page = press(client, failed, tab, key=retry_key(number_of(failed), 2))
    assert (page.status_code, title_of(page)) == (409, "This order can&#39;t be tried again now")
    assert NOTHING_ORDERED in page.text
    assert_over(page, failed)
    assert title_of(client.get(failed)) == "Your order is cancelled"


def guess_wrong_codes(client, new_form):
    for number in range(code_guesses.WRONG_CODES_OF_PERSON):
        assert place(client, new_form(coupon=f"GUESS{number}")).status_code == 400


def test_after_too_many_wrong_codes_it_waits_and_all_is_kept(client, new_form, failed, sandbox):
    sandbox.set("stock", "SCALE-01", 5)
    guess_wrong_codes(client, new_form)
    page = press(client, failed)
    assert (page.status_code, title_of(page)) == (429, "That was tried too often")
    assert 0 < int(page.headers["Retry-After"]) <= code_guesses.WINDOW_SECONDS
    assert "Too many codes were tried. Nothing was ordered by this. Wait" in page.text
    assert TRY_AGAIN in page.text
    assert CHANGE in page.text
    assert find_shop_order(number_of(failed)).placements == 1
    location = press(client, failed, page, **WITHOUT).location
    assert title_of(client.get(location)) == "Your order is confirmed"


def test_codes_that_were_never_asked_for_are_guesses_when_they_are(app, client, new_form, run_tasks):
    settings = app.extensions["orderapp.settings"]
    switch_system("coupon", SwitchMode.PAUSED, COMMAND_LINE, "a new contract", settings)
    location = place(client, new_form(coupon="NO-SUCH-CODE")).location
    run_tasks()
    switch_system("coupon", SwitchMode.ON, COMMAND_LINE, "signed", settings)
    for number in range(code_guesses.WRONG_CODES_OF_PERSON - 1):
        place(client, new_form(coupon=f"GUESS{number}"))
    page = press(client, location)
    assert (page.status_code, title_of(page)) == (400, "Your coupon can&#39;t be used any more")
    assert "Order without the coupon" in text_of(page)
    assert press(client, location).status_code == 429
