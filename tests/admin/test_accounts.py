"""Accounts in the office: created by admins, changed by their owners; customers' data masked for those who look."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import select

from orderapp.domain.states import TaskKind, TaskState
from orderapp.models import Role, Staff
from orderapp.services.db.transactions import reading
from tests.admin.conftest import PASSWORD, Browser
from tests.admin.rows import Rows

NEW = "seven green lamps in a harbour"


@pytest.fixture
def admin(logged_in: Callable[[Role], Browser]) -> Browser:
    return logged_in(Role.ADMIN)


@pytest.fixture
def viewer(logged_in: Callable[[Role], Browser]) -> Browser:
    return logged_in(Role.VIEWER)


def count() -> int:
    with reading() as session:
        return len(session.scalars(select(Staff)).all())


@pytest.mark.parametrize("path", ["/admin/staff/create", "/admin/staff/1/sign-out"])
def test_only_admins_look_after_accounts(logged_in: Callable[[Role], Browser], path: str) -> None:
    form = {"email": "mia@example.com", "role": "admin", "password": NEW, "reason": "why"}
    assert logged_in(Role.OPERATOR).post(path, **form).status_code == 403
    assert count() == len(Role)


def test_an_admin_logs_somebody_out_everywhere(admin: Browser, viewer: Browser, rows: Rows) -> None:
    assert admin.post("/admin/staff/1/sign-out", reason="lost laptop").status_code == 303
    assert viewer.get("/admin/").status_code == 302
    (entry,) = rows.audit("staff.sessions")
    assert (entry.actor, entry.reason) == ("admin@example.com", "lost laptop")
    assert admin.post("/admin/staff/999/sign-out", reason="why").status_code == 404


def test_the_password_is_changed_by_its_owner_who_stays_logged_in(app: Flask, viewer: Browser) -> None:
    other = Browser(app)
    other.log_in("viewer@example.com")
    answer = viewer.post("/admin/account/password", present=PASSWORD, wanted=NEW, again=NEW)
    assert answer.status_code == 303
    assert "Your password is changed" in viewer.get("/admin/account/").text
    assert other.get("/admin/").status_code == 302, "every other login is over"
    assert Browser(app).log_in("viewer@example.com").status_code == 401
    assert Browser(app).log_in("viewer@example.com", NEW).status_code == 303


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"present": "not mine"}, "The present password is wrong."),
        ({"again": "another"}, "The two new passwords differ."),
        ({"wanted": "password", "again": "password"}, "guessed too soon"),
        ({"present": "\ud800"}, "The present password is wrong."),
    ],
)
def test_a_wrong_change_of_the_password_changes_nothing(
    app: Flask, viewer: Browser, wrong: dict[str, str], told: str
) -> None:
    form = {"present": PASSWORD, "wanted": NEW, "again": NEW, **wrong}
    if wrong.get("present") == "\ud800":
        form["present"] = "\N{REPLACEMENT CHARACTER}"
    viewer.post("/admin/account/password", **form)
    assert told in viewer.get("/admin/account/").text
    assert Browser(app).log_in("viewer@example.com").status_code == 303


def test_an_open_screen_is_no_place_to_guess_the_password(viewer: Browser) -> None:
    for _ in range(6):
        viewer.post("/admin/account/password", present="wrong", wanted=NEW, again=NEW)
    assert "Too many wrong passwords were tried." in viewer.get("/admin/account/").text


def test_own_logins_are_seen_and_ended_and_nobody_elses(app: Flask, viewer: Browser, admin: Browser) -> None:
    other = Browser(app)
    other.log_in("viewer@example.com")
    page = viewer.get("/admin/account/").text
    assert page.count('/end"') == 1
    assert "This one" in page
    session_id = page.partition("/admin/account/sessions/")[2].partition("/end")[0]
    if not session_id.isdecimal():
        session_id = page.partition('action="/admin/account/sessions/end-others"')[2]
        session_id = session_id.partition("/admin/account/sessions/")[2].partition("/end")[0]
    assert admin.post(f"/admin/account/sessions/{session_id}/end").status_code == 404
    assert other.get("/admin/").status_code == 200
    assert viewer.post(f"/admin/account/sessions/{session_id}/end").status_code == 303
    assert other.get("/admin/").status_code == 302
    other.log_in("viewer@example.com")
    viewer.post("/admin/account/sessions/end-others")
    assert other.get("/admin/").status_code == 302
    assert viewer.get("/admin/account/").status_code == 200
    for path in ("account/?x=1", "account/sessions/abc/end"):
        assert viewer.post(f"/admin/{path}").status_code in (404, 405)


def test_customers_data_is_masked_for_who_only_looks_and_shown_on_request(
    viewer: Browser, rows: Rows, logged_in: Callable[[Role], Browser]
) -> None:
    about = {"customer_name": "Zo\xeb van Houten", "customer_email": "zoe@example.com", "customer_phone": "+4915112"}
    order_id = rows.order(**about)
    path = f"/admin/orders/{rows.number(order_id)}"
    # May have happened, and would happen twice: the first page says to whom.
    rows.attempt(rows.task(TaskState.FAILED, TaskKind.NOTIFY, order_id, system="sms", claims=1), system="sms")
    for shown in (viewer.get(path).text, viewer.get("/admin/orders/").text, viewer.get("/admin/").text):
        assert "Houten" not in shown
        assert "zoe@" not in shown
        assert "4915112" not in shown
        assert "Z\u2026 v\u2026 H\u2026" in shown
        assert "z\u2026@example.com" in shown
    assert viewer.post(f"{path}/reveal", reason=" ").status_code == 303
    revealed = viewer.post(f"{path}/reveal", reason="she called")
    assert revealed.status_code == 200
    for told in ("Zo\xeb van Houten", "zoe@example.com", "+4915112"):
        assert told in revealed.text
    (entry,) = rows.audit("order.reveal")
    assert (entry.actor, entry.reason) == ("viewer@example.com", "she called")
    assert "Houten" not in viewer.get(path).text, "the next look is masked again"
    assert "Zo\xeb van Houten" in logged_in(Role.OPERATOR).get(path).text
