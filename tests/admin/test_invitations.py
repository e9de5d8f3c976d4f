"""An invited member of staff sets the password by a link in a mail: it works once, for three days, and is not kept."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from sqlalchemy import select, update

from orderapp.config import Settings, current_settings
from orderapp.domain.states import TaskState
from orderapp.models import Attempt, Role, Staff, Task, db_now
from orderapp.services.backoffice.invitations import VALID_SECONDS
from orderapp.services.db.transactions import reading, writing
from orderapp.services.engine.run_job import run_job
from tests.admin.conftest import VARIABLES, Browser
from tests.admin.rows import Rows
from tests.servers.smtp import SmtpServer

MIA = "mia@example.com"
PASSWORD = "seven green lamps in a harbour"
LINK = re.compile(r"http://localhost(/admin/invitation/[\w-]{43})\s")


@pytest.fixture
def mails(app: Flask) -> Iterator[SmtpServer]:
    with SmtpServer() as server:
        database = {"DATABASE_URL": app.config["SQLALCHEMY_DATABASE_URI"]}
        where = {"PUBLIC_URL": "http://localhost", "SMTP_URL": server.url, "MAIL_FROM": "shop@example.com", **database}
        app.extensions["orderapp.settings"] = Settings.from_environment({**VARIABLES, **where})
        yield server


@pytest.fixture
def admin(logged_in: Callable[[Role], Browser]) -> Browser:
    return logged_in(Role.ADMIN)


def invite(admin: Browser, mails: SmtpServer) -> str:
    assert admin.post("/admin/staff/create", email="Mia@Example.com", role="operator").status_code == 303
    return link_in(mails)


def send_waiting() -> None:
    with reading() as session:
        waiting = session.scalars(select(Task.id).where(Task.state == TaskState.WAITING.value)).all()
    for task_id in waiting:
        run_job(task_id, current_settings())


def link_in(mails: SmtpServer) -> str:
    send_waiting()
    [mail] = mails.received
    assert mail.recipients == (MIA,)
    found = LINK.search(mail.message.get_content())
    assert found is not None
    mails.clear()
    return found[1]


def set_password(app: Flask, link: str, password: str = PASSWORD) -> int:
    return Browser(app).post(link, password=password, again=password).status_code


def logs_in(app: Flask, password: str = PASSWORD) -> bool:
    return Browser(app).log_in(MIA, password).status_code == 303


def test_the_invited_sets_the_password_once(app: Flask, admin: Browser, mails: SmtpServer, rows: Rows) -> None:
    link = invite(admin, mails)
    assert not logs_in(app, "")
    assert not logs_in(app, "nobody has this password")
    assert MIA in Browser(app).get(link).text
    assert set_password(app, link, "password") == 400
    assert set_password(app, link) == 303
    assert logs_in(app)
    assert set_password(app, link, "another four words here") == 404
    assert Browser(app).get(link).status_code == 404
    assert logs_in(app)
    assert [entry.actor for entry in rows.audit("staff.accept")] == [MIA]
    token = link.rpartition("/")[2]
    with reading() as session:
        kept = [*session.scalars(select(Staff.invitation_hash)), *session.scalars(select(Task.arguments))]
        kept += [str(vars(attempt)) for attempt in session.scalars(select(Attempt))]
    assert not [one for one in kept if one and token in one]


def test_only_the_newest_link_counts_and_not_for_ever(
    app: Flask, admin: Browser, mails: SmtpServer, rows: Rows
) -> None:
    first = invite(admin, mails)
    assert admin.post("/admin/staff/4/invite", reason="lost").status_code == 303
    second = link_in(mails)
    assert set_password(app, first) == 404
    with writing() as session:
        session.execute(update(Staff).values(invited_at=db_now(-VALID_SECONDS - 1)))
    assert set_password(app, second) == 404
    admin.post("/admin/staff/4/invite", reason="too late")
    third = link_in(mails)
    admin.post("/admin/staff/4/disable", reason="wrong person")
    admin.post("/admin/staff/4/enable", reason="the right one")
    assert set_password(app, third) == 404, "disabling withdraws it"
    admin.post("/admin/staff/1/invite", reason="has a password")
    assert [bool(entry.refused) for entry in rows.audit("staff.invite")] == [False, False, True]


def test_only_admins_invite(logged_in: Callable[[Role], Browser], mails: SmtpServer, rows: Rows) -> None:
    form = {"email": MIA, "role": "admin", "reason": "why"}
    for role in (Role.VIEWER, Role.OPERATOR):
        for path in ("create", "1/invite"):
            assert logged_in(role).post(f"/admin/staff/{path}", **form).status_code == 403
    assert rows.audit("staff.create")[-1].refused
    send_waiting()
    assert not mails.received


@pytest.mark.parametrize(
    ("wrong", "status", "told"),
    [
        ({"email": "nobody"}, 303, "The @ is missing"),
        ({"email": "viewer@example.com"}, 303, "There is an account with this address already."),
        ({"role": "owner"}, 400, ""),
    ],
)
def test_what_makes_no_account_is_refused(
    admin: Browser, mails: SmtpServer, wrong: dict[str, str], status: int, told: str
) -> None:
    assert admin.post("/admin/staff/create", **{"email": MIA, "role": "operator", **wrong}).status_code == status
    assert told in admin.get("/admin/staff/").text
    with reading() as session:
        assert len(session.scalars(select(Staff)).all()) == len(Role)


def test_without_mail_an_admin_is_told_what_to_do(admin: Browser) -> None:
    admin.post("/admin/staff/create", email=MIA, role="operator")
    assert "flask staff create" in admin.get("/admin/staff/").text.partition("</main>")[0]
