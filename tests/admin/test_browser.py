"""The back office in Chromium: what Enter does, and how its pages fit the screen."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from playwright.sync_api import Page, expect
from sqlalchemy import select

from orderapp.config import Settings
from orderapp.domain.states import TaskKind, TaskState
from orderapp.models import ApiToken, Mismatch, Resolution, Role, SwitchMode, SystemSwitch, Task, db_now
from orderapp.services.access.accounts import create_staff, disable_staff
from orderapp.services.backoffice import manual_resolutions, task_actions
from orderapp.services.backoffice.operation_drafts import draft
from orderapp.services.db.audit import Actor
from orderapp.services.db.transactions import writing
from orderapp.services.resilience.switches import switch_system
from tests.admin.conftest import PASSWORD
from tests.admin.rows import Rows
from tests.servers.whole_answers import served


@pytest.fixture
def office_url(app: Flask) -> Iterator[str]:
    """Where the back office runs, with several requests at a time."""
    with served(app) as url:
        yield f"{url}/admin"


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
    office.get_by_label(f"Choose task {task_id}").press("Enter")
    office.goto(f"{office_url}/systems/coupon")
    office.locator("#reason-switch").fill("they called")
    office.locator("#reason-switch").press("Enter")
    expect(office.get_by_role("status")).to_have_count(0)
    office.goto(f"{office_url}/audit/")
    expect(office.locator("tbody")).not_to_contain_text("they called")
    assert rows.read(Task, task_id).state == "failed"


def test_each_button_still_does_its_act_and_says_so_at_the_top(office: Page, office_url: str, rows: Rows) -> None:
    office.goto(f"{office_url}/systems/coupon")
    office.locator("#reason-switch").fill("they called")
    pause = office.get_by_role("button", name="Pause")
    expect(pause).to_have_accessible_description(
        "New orders that need it fail until it is resumed; all others are placed as ever. "
        "What is to be given back waits as well."
    )
    pause.click()
    expect(office.get_by_role("status")).to_be_in_viewport()
    assert rows.read(SystemSwitch, "coupon").mode == "paused"


UNBROKEN = "W" * 200
# What is wider than its frame; then the pieces that people read as one, dates and addresses, that were broken.
CUT = """() => [...document.querySelectorAll(".table-wrap, html")]
  .filter((frame) => frame.scrollWidth > frame.clientWidth)
  .map((frame) => `${frame.getAttribute("aria-label")}: ${frame.scrollWidth} > ${frame.clientWidth}`)"""
BROKEN = """() => {
  const broken = [];
  for (const element of document.querySelectorAll("time span, .table bdi, .table a.mono")) {
    for (const word of (element.firstChild?.textContent || "").matchAll(/[\\w@.:-]+/g)) {
      if (word[0].length > 24) continue;
      const range = document.createRange();
      range.setStart(element.firstChild, word.index);
      range.setEnd(element.firstChild, word.index + word[0].length);
      if (new Set([...range.getClientRects()].map((line) => Math.round(line.top))).size > 1) broken.push(word[0]);
    }
  }
  return broken;
}"""


@pytest.fixture
def crowded(rows: Rows, settings: Settings) -> list[str]:
    """Writes rows with long values everywhere; returns the addresses of all pages, below the back office's."""
    long = "x" * 400
    admin = Actor(3, "admin@example.com")
    orders = [rows.order(customer_name=UNBROKEN, customer_email=f"{'e' * 60}@{'x' * 180}.example")]
    orders += [rows.order(customer_email="ann.lee@example.com") for _ in range(2)]
    tasks = [rows.task(order_id=order_id, last_message=long, last_code="c" * 60) for order_id in orders]
    tasks += [rows.task(TaskState.WAITING, last_message="The system answered 500 in the middle of the night.")]
    back = rows.task(TaskState.FAILED, TaskKind.COMPENSATE)
    rows.attempt(tasks[0], message=long)
    create_staff(f"{'s' * 60}@{'x' * 100}.example", Role.OPERATOR, PASSWORD)
    disable_staff(1, admin, long)
    task_actions.cancel([*tasks[:2], back], admin, long)
    manual_resolutions.mark([tasks[2]], Resolution.HAPPENED, admin, "They have it in their list.", settings)
    switch_system("coupon", SwitchMode.PAUSED, admin, long, settings)
    moments = {"found_at": db_now(-90), "last_seen_at": db_now()}
    with writing() as session:
        session.add(ApiToken(name="t" * 100, token_hash="0" * 64, created_at=db_now()))
        for task in [rows.read(Task, task_id) for task_id in tasks[:3]]:
            about = {name: getattr(task, name) for name in ("order_id", "placement_id", "system", "key")}
            told = {"kind": "missing effect", "ours": "task done", "theirs": "absent " + "y" * 60, "correction": "do"}
            session.add(Mismatch(**about, **told, **moments, state="open", seen=2))
    lists = ["", *(f"{name}/" for name in ("orders", "tasks", "mismatches", "systems", "audit", "staff", "tokens"))]
    operation_id = draft("requeue", select(Task.id), {"Cause": "c" * 60}, admin, settings)
    lists += ["operations/", f"operations/{operation_id}", f"operation-items/?operation={operation_id}"]
    lists += ["systems/coupon", "systems/settlement", "account/", "second-factor/"]
    pair = "&".join(f"attempt={rows.attempt(tasks[0], number=number, message=long)}" for number in (2, 3))
    entry = rows.audit("tasks.cancel")[0].id
    return [*lists, f"orders/{rows.number(orders[0])}", f"tasks/{tasks[0]}", f"audit/{entry}", f"attempts/?{pair}"]


@pytest.mark.parametrize("width", [320, 768, 1100, 1440])
def test_no_list_is_wider_than_its_frame(office: Page, office_url: str, crowded: list[str], width: int) -> None:
    office.set_viewport_size({"width": width, "height": 900})
    for path in crowded:
        office.goto(f"{office_url}/{path}")
        assert (path, office.evaluate(CUT)) == (path, [])
        assert (path, office.evaluate(BROKEN)) == (path, [])
        office.evaluate("document.querySelectorAll('td details').forEach((one) => one.open = true)")
        assert (path, office.evaluate(CUT)) == (path, [])


@pytest.mark.parametrize("width", [320, 768, 1023])
def test_who_it_is_stands_in_line_with_the_menu(office: Page, office_url: str, width: int) -> None:
    office.set_viewport_size({"width": width, "height": 900})
    office.goto(f"{office_url}/staff/")
    email, log_out = office.locator(".who p").bounding_box(), office.locator(".who button").bounding_box()
    entry = office.get_by_role("link", name="Overview").bounding_box()
    assert email
    assert log_out
    assert entry
    assert abs(email["x"] - entry["x"] - 12) < 12 or email["y"] < entry["y"] + entry["height"], "below it, or beside it"
    assert email["y"] < log_out["y"] + log_out["height"], "in one row"
    assert log_out["y"] < email["y"] + email["height"]
    office.get_by_text("Role or access of operator@example.com").click()
    for label in office.locator("details[open] label").all():
        around = "(one) => { const range = document.createRange(); range.selectNodeContents(one); "
        text = label.evaluate(around + "return range.getBoundingClientRect().x; }")
        box = office.locator(f"#{label.get_attribute('for')}").bounding_box()
        assert box
        assert abs(text - box["x"]) < 2
