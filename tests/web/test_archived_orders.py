"""A form, and a page, whose order was archived: both say so, and nothing is ordered by itself."""

import threading

import pytest
from flask import Flask

from orderapp.services.archive.archive import archive
from orderapp.services.db.audit import COMMAND_LINE
from tests.services.archives import AGE, let_days_pass
from tests.web.conftest import hidden_fields
from tests.web.test_placing import orders, place, title_of


@pytest.fixture
def let_be_archived(app: Flask, run_tasks, tmp_path):
    def move():
        run_tasks()
        let_days_pass()
        settings = app.extensions["orderapp.settings"]
        archive(AGE, tmp_path / "orders.jsonl", COMMAND_LINE, settings, lambda _: None, threading.Event())
        assert orders() == 0

    return move


def test_the_form_says_so_and_offers_a_new_order(client, new_form, let_be_archived):
    fields = new_form()
    place(client, fields)
    let_be_archived()
    page = place(client, fields)
    assert (page.status_code, page.headers["Cache-Control"]) == (410, "no-store")
    assert title_of(page) == "You placed this order long ago"
    assert orders() == 0
    again = hidden_fields(page)
    assert again["key"] != fields["key"]
    assert place(client, again).status_code == 303
    assert orders() == 1


def test_a_form_that_was_changed_since_is_answered_as_ever(client, new_form, let_be_archived):
    fields = new_form()
    place(client, fields)
    let_be_archived()
    page = place(client, {**fields, "quantity:TEA-GREEN": "3"})
    assert (page.status_code, orders()) == (422, 0)
    assert "Look at the order" not in page.text
    # Nobody has been shown what three of them cost.
    asked = place(client, hidden_fields(page))
    assert (asked.status_code, title_of(asked)) == (409, "Please check the new total")
    assert place(client, hidden_fields(asked)).status_code == 303


@pytest.mark.parametrize("path", ["", "/status"])
def test_its_page_says_so(client, new_form, let_be_archived, path):
    address = place(client, new_form()).location
    let_be_archived()
    page = client.get(address + path)
    assert (page.status_code, title_of(page)) == (410, "This order is archived")


def test_trying_it_again_places_nothing(client, new_form, let_be_archived):
    address = place(client, new_form({"SCALE-01": "1"})).location
    fields = hidden_fields(client.get(address))
    let_be_archived()
    assert (client.post(f"{address}/retry", data=fields).status_code, orders()) == (410, 0)
