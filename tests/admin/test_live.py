"""Pages that refresh themselves in place, in Chromium: what people have in hand stays as it is."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from orderapp.domain.states import TaskState
from orderapp.models import db_now
from tests.admin.rows import Rows
from tests.admin.test_browser import office, office_url

__all__ = ["office", "office_url"]  # the fixtures of the browser's tests
LONG_AGO = {"created_at": db_now(-900), "updated_at": db_now(-900)}


def test_new_rows_come_in_and_the_focus_stays_on_its_row(office: Page, office_url: str, rows: Rows) -> None:
    first = rows.number(rows.order())
    office.goto(f"{office_url}/orders/")
    office.keyboard.press("j")
    expect(office.get_by_role("link", name=first)).to_be_focused()
    second = rows.number(rows.order())
    office.keyboard.press("r")
    expect(office.get_by_role("link", name=second)).to_be_visible()
    expect(office.get_by_role("link", name=first)).to_be_focused()
    office.keyboard.press("k")
    expect(office.get_by_role("link", name=second)).to_be_focused()
    office.keyboard.press("/")
    expect(office.get_by_role("searchbox")).to_be_focused()


def test_the_overview_tells_a_change_once_and_keeps_what_is_open(office: Page, office_url: str, rows: Rows) -> None:
    rows.order(**LONG_AGO)
    office.goto(office_url)
    expect(office.locator("[data-age]")).to_have_text(re.compile(r"^[0-9]+ s ago$"))
    switch = office.get_by_text("Switch Reconciliation")
    switch.click()
    opened = office.locator("#reason-switch-reconcile-orders")
    expect(opened).to_be_visible()
    rows.task(TaskState.FAILED, order_id=rows.order(**LONG_AGO))
    office.keyboard.press("r")
    said = office.locator("main + [aria-live]")
    expect(said).to_contain_text("1 of 2 orders of the last 30 days isn’t right yet")
    expect(office.get_by_role("link", name="1 failed task")).to_be_visible()
    expect(opened).to_be_visible()


def test_while_rows_are_ticked_nothing_moves(office: Page, office_url: str, rows: Rows) -> None:
    task_id = rows.task()
    office.goto(f"{office_url}/tasks/")
    tick = office.get_by_label(f"Choose task {task_id}")
    tick.check()
    other = rows.task()
    with office.expect_response(re.compile("/tasks/")):
        office.keyboard.press("r")
    expect(office.get_by_label(f"Choose task {other}")).to_have_count(0)
    expect(tick).to_be_checked()
    tick.uncheck()
    office.keyboard.press("r")
    expect(office.get_by_label(f"Choose task {other}")).to_be_visible()


def test_the_reader_chooses_colours_and_sees_the_keys_and_their_own_time(office: Page, office_url: str) -> None:
    office.goto(office_url)
    paper = "getComputedStyle(document.body).backgroundColor"
    light = office.evaluate(paper)
    office.get_by_role("button", name="Dark").click()
    expect(office.get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "true")
    assert office.evaluate(paper) != light
    office.get_by_role("button", name="Light").click()
    office.emulate_media(color_scheme="dark")
    assert office.evaluate(paper) == light
    office.keyboard.press("?")
    expect(office.get_by_role("dialog", name="Keys")).to_be_visible()
    office.keyboard.press("Escape")
    expect(office.get_by_role("dialog")).to_have_count(0)
    zone = office.evaluate("Intl.DateTimeFormat().resolvedOptions().timeZone")
    expect(office.get_by_text(f"All times in {zone}.")).to_be_visible()
