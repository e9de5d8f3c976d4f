"""The back office in Chromium: what Enter does, and how its pages fit the screen."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from flask import Flask
from playwright.sync_api import Page, expect
from werkzeug.serving import make_server

from orderapp.models import SystemSwitch, Task
from tests.admin.conftest import PASSWORD
from tests.admin.rows import Rows


@pytest.fixture
def office_url(app: Flask) -> Iterator[str]:
    """Where the back office runs, with several requests at a time."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/admin"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def office(page: Page, office_url: str) -> Iterator[Page]:
    """A page of an admin who has logged in; whatever the content security policy stops fails the test."""
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if "Content Security" in message.text else None)
    page.goto(f"{office_url}/login")
    page.get_by_label("E-mail").fill("admin@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
    yield page
    assert wrong == []


def test_enter_does_no_act_where_there_are_several(office: Page, office_url: str, rows: Rows) -> None:
    task_id = rows.task()
    wide = {"width": 1440, "height": 900}
    office.set_viewport_size(wide)
    office.goto(f"{office_url}/tasks/{task_id}")
    office.get_by_label("How you know").fill("they called")
    office.get_by_label("How you know").press("Enter")
    office.goto(f"{office_url}/tasks/")
    office.get_by_label(f"Choose task {task_id}").check()
    office.get_by_label("Reason").fill("they called")
    office.get_by_label("Reason").press("Enter")
    office.goto(office_url)
    office.get_by_text("Switch Coupon").click()
    office.locator("#reason-switch-coupon").fill("they called")
    office.locator("#reason-switch-coupon").press("Enter")
    expect(office.get_by_role("status")).to_have_count(0)
    office.goto(f"{office_url}/audit/")
    expect(office.locator("tbody")).not_to_contain_text("they called")
    assert rows.read(Task, task_id).state == "failed"


def test_each_button_still_does_its_act_and_says_so_at_the_top(office: Page, office_url: str, rows: Rows) -> None:
    office.goto(f"{office_url}/#systems")
    office.get_by_text("Switch Coupon").click()
    office.locator("#reason-switch-coupon").fill("they called")
    pause = office.locator("#system-coupon").get_by_role("button", name="Pause")
    expect(pause).to_have_accessible_description(
        "New orders that need it fail until it is resumed; all others are placed as ever. "
        "What is to be given back waits as well."
    )
    pause.click()
    expect(office.get_by_role("status")).to_be_in_viewport()
    assert rows.read(SystemSwitch, "coupon").mode == "paused"
