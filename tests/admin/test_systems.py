"""The systems' pages: how each does, its switch with an end, and ways to try whether it works."""

from __future__ import annotations

import datetime as dt
import html
import re
from collections.abc import Callable

import pytest
from sqlalchemy import update

from orderapp.config import Settings
from orderapp.domain.states import TaskKind, TaskState
from orderapp.models import HeardCallback, Role, SwitchMode, SystemSwitch, Task, db_now
from orderapp.services.db.transactions import writing
from orderapp.services.resilience.switches import resume_ended
from tests.admin.conftest import Browser
from tests.admin.rows import Rows

TAGS = re.compile(r"<[^>]*>")


@pytest.fixture
def operator(logged_in: Callable[[Role], Browser]) -> Browser:
    return logged_in(Role.OPERATOR)


def words(browser: Browser, path: str) -> str:
    """A page as it is read: without tags, in single blanks."""
    return " ".join(html.unescape(TAGS.sub("", browser.get(path).text)).split())


def test_each_system_has_a_page_that_says_what_it_declares(operator: Browser, settings: Settings) -> None:
    listed = operator.get("/admin/systems/").text
    for name, system in settings.systems.items():
        assert f'<a href="/admin/systems/{name}">{system.title}</a>' in listed
        page = words(operator, f"/admin/systems/{name}")
        assert "Can be asked what is in place" in page
        assert "Not called yet" in page
    assert "CalledWhile the customer waitsNeededby every orderRepeatsRepeats are harmless" in words(
        operator, "/admin/systems/inventory"
    )
    assert "POST /callbacks/settlement" in operator.get("/admin/systems/settlement").text


@pytest.mark.parametrize(
    ("path", "status"),
    [("nonesuch", 404), ("%00", 404), ("sms?x=1", 400), ("?page=-1", 400), ("sms/ask", 405), ("sms/try", 405)],
)
def test_what_isnt_there_is_not_found(operator: Browser, path: str, status: int) -> None:
    assert operator.get(f"/admin/systems/{path}").status_code == status


def test_its_newest_calls_are_told_with_what_came_to_nothing(rows: Rows, operator: Browser) -> None:
    task_id = rows.task()
    attempts = [rows.attempt(task_id, number=n, outcome="done", message="", duration_ms=n) for n in range(1, 20)]
    attempts.append(rows.attempt(task_id, number=20, duration_ms=900))
    page = operator.get("/admin/systems/settlement").text
    told = words(operator, "/admin/systems/settlement")
    assert "95% of the newest 20 calls done" in told
    assert "half within 11\N{NO-BREAK SPACE}ms, 95 % within 900\N{NO-BREAK SPACE}ms" in html.unescape(page)
    number = rows.number(rows.read(Task, task_id).order_id)
    assert f'href="/admin/orders/{number}#attempt-{attempts[-1]}"' in page
    assert page.count(f'href="/admin/orders/{number}#attempt-') == 1, "those that were done aren't listed"


def test_a_callback_says_what_we_did(rows: Rows, operator: Browser) -> None:
    order_id = rows.order()
    with writing() as session:
        about = {"system": "settlement", "key": "k", "received_at": db_now()}
        session.add(HeardCallback(digest="1", said="captured <b>", order_id=order_id, acted_at=db_now(), **about))
        session.add(HeardCallback(digest="2", said="", **about))
    page = operator.get("/admin/systems/settlement").text
    assert "captured &lt;b&gt;" in page
    assert "Asked it, " in page
    assert "not one of ours" in page


def test_a_pause_ends_at_its_time_by_the_timer(operator: Browser, rows: Rows, settings: Settings) -> None:
    back = "/admin/systems/coupon"
    until = (dt.datetime.now(dt.UTC) + dt.timedelta(hours=3)).replace(second=0, microsecond=0)
    form = {"mode": "paused", "reason": "maintenance", "until": f"{until:%Y-%m-%dT%H:%M}", "back": back}
    assert operator.post("/admin/systems/coupon/switch", **form).location == back
    switch = rows.read(SystemSwitch, "coupon")
    assert (switch.mode, switch.actor) == ("paused", "operator@example.com")
    assert switch.resumes_at == until
    assert "By operator@example.com: maintenance. It is used again at" in words(operator, back)
    task_id = rows.task(TaskState.WAITING, TaskKind.COMPENSATE, system="coupon")
    assert f"Coupon is paused until {until:%H:%M} UTC: maintenance" in words(operator, f"/admin/tasks/{task_id}")
    resume_ended(settings)
    assert rows.read(SystemSwitch, "coupon").mode == "paused", "its time hasn't come"
    with writing() as session:
        session.execute(update(SystemSwitch).values(resumes_at=db_now(-1)))
    resume_ended(settings)
    resume_ended(settings)
    switch = rows.read(SystemSwitch, "coupon")
    assert (switch.mode, switch.resumes_at) == ("on", None)
    _, entry = rows.audit("system.switch")
    assert (entry.actor, entry.reason) == ("timer", "its time was over")
    assert "timer" in words(operator, f"/admin/audit/{entry.id}")


def test_an_end_may_be_changed_and_taken_away(operator: Browser, rows: Rows) -> None:
    day = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=1)
    for until, ends in ((f"{day}T18:00", True), (f"{day}T19:30", True), ("", False)):
        operator.post("/admin/systems/coupon/switch", mode="paused", reason="maintenance", until=until)
        assert bool(rows.read(SystemSwitch, "coupon").resumes_at) is ends
    operator.post("/admin/systems/coupon/switch", mode="on", reason="well again", until=f"{day}T18:00")
    switch = rows.read(SystemSwitch, "coupon")
    assert (switch.mode, switch.resumes_at) == (SwitchMode.ON.value, None)


@pytest.mark.parametrize(("days", "told"), [(-1, "This time has passed"), (32, "paused for 31 days at most")])
def test_an_end_that_has_passed_or_is_too_far_away_is_refused(
    operator: Browser, rows: Rows, days: int, told: str
) -> None:
    until = f"{dt.datetime.now(dt.UTC) + dt.timedelta(days=days):%Y-%m-%dT%H:%M}"
    operator.post("/admin/systems/coupon/switch", mode="paused", reason="maintenance", until=until)
    assert told in words(operator, "/admin/")
    assert [entry.refused for entry in rows.audit("system.switch")] != [None]


def test_a_time_is_read_and_shown_by_the_readers_clock(operator: Browser, rows: Rows) -> None:
    operator.client.set_cookie("orderapp-zone", "Asia/Tokyo")
    day = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=2)
    operator.post("/admin/systems/coupon/switch", mode="paused", reason="maintenance", until=f"{day}T01:30")
    resumes_at = rows.read(SystemSwitch, "coupon").resumes_at
    assert resumes_at == dt.datetime.combine(day - dt.timedelta(days=1), dt.time(16, 30), dt.UTC)
    page = operator.get("/admin/systems/coupon").text
    assert f'value="{day}T01:30"' in page, "switching it otherwise keeps the end"
    assert "All times in Asia/Tokyo." in page
    for wrong in ("Europe", "../../etc/passwd", "Mars", "\x00"):
        operator.client.set_cookie("orderapp-zone", wrong)
        assert "All times in UTC." in operator.get("/admin/systems/coupon").text


@pytest.mark.parametrize("until", ["25:00", "18", "noon", "2026-13-01T18:00", "18:00\x00", "0001-01-01T00:00+14:00"])
def test_what_is_no_time_is_refused(operator: Browser, rows: Rows, until: str) -> None:
    form = {"mode": "paused", "reason": "maintenance", "until": until}
    assert operator.post("/admin/systems/coupon/switch", **form).status_code == 400
    assert rows.audit("system.switch") == []


def test_a_system_is_asked_whether_it_answers_but_not_for_ever(operator: Browser, rows: Rows) -> None:
    path = "/admin/systems/settlement"
    for _ in range(6):
        assert operator.post(f"{path}/ask").location == path
    assert "Settlement doesn't answer as it should: " in words(operator, path)
    assert len(rows.audit("system.ask")) == 6
    operator.post(f"{path}/ask")
    assert "It was asked often in the last minute. Nothing was asked; try again in" in words(operator, path)
    assert len(rows.audit("system.ask")) == 6


def test_one_failed_task_is_tried_and_the_others_stay(operator: Browser, rows: Rows) -> None:
    path, first, second = "/admin/systems/settlement", rows.task(), rows.task()
    assert "Try one failed task" in operator.get(path).text
    answer = operator.post(f"{path}/try", reason="are they back?")
    assert answer.location == f"/admin/tasks/{first}"
    assert (rows.read(Task, first).state, rows.read(Task, second).state) == ("waiting", "failed")
    assert "One task of it is tried now" in words(operator, answer.location)
    operator.post(f"{path}/try", reason=" ")
    assert rows.read(Task, second).state == "failed"
    assert "Say why" in words(operator, path)


def test_what_may_happen_twice_isnt_tried_for_a_trial(operator: Browser, rows: Rows) -> None:
    task_id = rows.task(TaskState.FAILED, TaskKind.NOTIFY, system="sms")
    rows.attempt(task_id, system="sms")
    assert "Try one failed task" not in operator.get("/admin/systems/sms").text
    operator.post("/admin/systems/sms/try", reason="are they back?")
    assert rows.read(Task, task_id).state == "failed"
    (entry,) = rows.audit("system.try")
    assert entry.refused


def test_who_only_looks_is_offered_nothing(rows: Rows, logged_in: Callable[[Role], Browser]) -> None:
    rows.task()
    viewer = logged_in(Role.VIEWER)
    page = viewer.get("/admin/systems/settlement").text
    assert "What it declares" in page
    assert 'method="post" action="/admin/systems' not in page
    for act in ("ask", "try", "switch"):
        assert viewer.post(f"/admin/systems/settlement/{act}", reason="why", mode="paused").status_code == 403
