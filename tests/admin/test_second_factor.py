"""The second factor: set up, asked for at the login, each code once, demanded of roles; and the proof before acts."""

from __future__ import annotations

import re
from collections.abc import Callable

import pyotp
import pytest
from flask import Flask
from sqlalchemy import select, update

from orderapp.errors import WrongState
from orderapp.models import RecoveryCode, Role, Staff, StaffSession, db_now
from orderapp.services.access import second_factors
from orderapp.services.access.logins import PROOF_SECONDS
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.services.db.transactions import reading, writing
from tests.admin.conftest import PASSWORD, Browser
from tests.admin.rows import Rows

LoggedIn = Callable[[Role], Browser]
MAIL = "admin@example.com"
CODE = re.compile(r"[A-Z2-7]{4}(?:-[A-Z2-7]{4}){3}")


class Device:
    """An authenticator app that an admin has set up, and the recovery codes that they kept."""

    def __init__(self, browser: Browser) -> None:
        page = browser.post("/admin/second-factor/begin").text
        secret = re.search(r"secret=([A-Z2-7]+)", page)
        assert secret is not None
        self.totp = pyotp.TOTP(secret[1])
        self.recovery = CODE.findall(browser.post("/admin/second-factor/confirm", code=self.code()).text)

    def code(self, off: int = 0) -> str:
        with reading() as session:
            now = session.execute(select(db_now())).scalar_one()
        return self.totp.at(now, counter_offset=off)


@pytest.fixture
def admin(logged_in: LoggedIn) -> Browser:
    return logged_in(Role.ADMIN)


@pytest.fixture
def device(admin: Browser) -> Device:
    return Device(admin)


@pytest.fixture
def at_the_code(app: Flask, device: Device) -> Browser:
    browser = Browser(app)
    assert browser.log_in(MAIL).location == "/admin/login/code"
    return browser


def column(what: object) -> list[object]:
    with reading() as session:
        return list(session.scalars(select(what)))  # type: ignore[call-overload]


def lapse() -> None:
    with writing() as session:
        session.execute(update(StaffSession).values(proved_at=db_now(-PROOF_SECONDS - 1)))


def code(browser: Browser, typed: str) -> int:
    return browser.post("/admin/login/code", code=typed).status_code


def test_the_password_alone_opens_nothing_once_there_is_a_second_factor(
    at_the_code: Browser, device: Device, rows: Rows
) -> None:
    for path in ("/admin/", "/admin/second-factor/", "/admin/account/"):
        assert at_the_code.get(path).status_code == 302
    waiting = at_the_code.cookie()
    assert code(at_the_code, device.code(-3)) == 401, "too old"
    assert code(at_the_code, device.code(1)) == 303
    assert at_the_code.get("/admin/").status_code == 200
    assert at_the_code.cookie() != waiting
    assert [entry.subject for entry in rows.audit("staff.refuse")] == ["login code"]
    assert len(rows.audit("staff.login")) == 1


def test_a_code_counts_once(app: Flask, at_the_code: Browser, device: Device) -> None:
    typed = device.code(1)
    assert code(at_the_code, typed) == 303
    for replayed in (typed, device.code()):
        thief = Browser(app)
        thief.log_in(MAIL)
        assert code(thief, replayed) == 401
        assert thief.get("/admin/").status_code == 302


def test_a_recovery_code_counts_once_and_only_for_its_owner(
    app: Flask, at_the_code: Browser, device: Device, rows: Rows
) -> None:
    assert len(set(device.recovery)) == 10
    assert not {*device.recovery} & {*column(RecoveryCode.code_hash)}
    assert code(at_the_code, device.recovery[0].lower()) == 303
    assert "9 of your recovery codes are left" in at_the_code.get("/admin/second-factor/").text
    assert "recovery code" in rows.audit("staff.login")[-1].details
    again = Browser(app)
    again.log_in(MAIL)
    assert code(again, device.recovery[0]) == 401
    assert code(again, device.recovery[1]) == 303
    with writing() as session:
        assert not second_factors.use_recovery_code(session, 1, device.recovery[2])


def test_codes_cant_be_guessed_even_with_the_password(app: Flask, at_the_code: Browser, device: Device) -> None:
    for _ in range(10):
        assert code(at_the_code, "000000") == 401
    assert code(at_the_code, device.code(1)) == 429
    assert Browser(app).log_in("viewer@example.com").status_code == 303, "others aren't concerned"


def test_a_stolen_session_changes_no_access_without_the_password(
    admin: Browser, rows: Rows, everything: Callable[[], dict[str, list[tuple[object, ...]]]]
) -> None:
    lapse()
    acts = ("staff/1/role", "staff/1/disable", "staff/1/sign-out", "staff/create", "staff/demand-factor",
            "tokens/1/revoke", *(f"second-factor/{name}" for name in ("begin", "confirm", "off", "codes")))  # fmt: skip
    before = everything()
    for path in acts:
        answer = admin.post(f"/admin/{path}", role="operator", reason="because")
        assert (answer.status_code, "Confirm that it's you" in answer.text) == (403, True), path
    assert everything() == before
    assert admin.post("/admin/staff/1/role", role="operator", reason="x", proof="wrong").status_code == 403
    assert [entry.refused for entry in rows.audit("staff.role")] == ["the password or code was wrong"]
    assert "viewer" in column(Staff.role)


def test_after_the_proof_the_act_is_done_as_it_was_entered(admin: Browser, rows: Rows) -> None:
    lapse()
    asked = admin.post("/admin/staff/1/role", role="operator", reason="promoted & moved").text
    assert 'name="reason" value="promoted &amp; moved"' in asked
    sent = {"role": "operator", "reason": "promoted & moved"}
    assert admin.post("/admin/staff/1/role", **sent, proof=PASSWORD).status_code == 303
    assert [entry.reason for entry in rows.audit("staff.role")] == ["promoted & moved"]
    assert admin.post("/admin/staff/1/sign-out", reason="not asked again").status_code == 303


def test_a_code_is_a_proof_once(admin: Browser, device: Device) -> None:
    typed = device.code(1)
    for status in (303, 403):
        lapse()
        assert admin.post("/admin/staff/1/sign-out", reason="why", proof=typed).status_code == status
    assert admin.post("/admin/staff/1/sign-out", reason="why", proof=device.recovery[0]).status_code == 403


def test_who_lacks_a_demanded_factor_can_only_set_it_up(admin: Browser, logged_in: LoggedIn, rows: Rows) -> None:
    viewer, operator = logged_in(Role.VIEWER), logged_in(Role.OPERATOR)
    assert admin.post("/admin/staff/demand-factor", role="operator", reason="policy").status_code == 303
    assert viewer.get("/admin/").status_code == 200
    for path in ("", "orders/", "account/"):
        assert operator.get(f"/admin/{path}").location == "/admin/second-factor/"
    assert operator.post("/admin/tasks/requeue", reason="x", task="1").status_code == 403
    (entry,) = rows.audit("task.requeue")
    assert entry.refused == "the second factor that is demanded is missing"
    assert "demanded of your role" in operator.get("/admin/second-factor/").text
    Device(operator)
    assert operator.get("/admin/orders/").status_code == 200
    operator.post("/admin/second-factor/off")
    assert "Nothing was changed." in operator.get("/admin/second-factor/").text
    (demanded,) = rows.audit("staff.factor_demand")
    assert "operator" in demanded.details


def test_only_admins_demand_and_reset_and_never_their_own(
    admin: Browser, device: Device, logged_in: LoggedIn, rows: Rows
) -> None:
    viewer = logged_in(Role.VIEWER)
    for path in ("demand-factor", "3/reset-factor"):
        assert viewer.post(f"/admin/staff/{path}", role="viewer", reason="why").status_code == 403
    admin.post("/admin/staff/3/reset-factor", reason="why")
    assert all(entry.refused for entry in rows.audit("staff.factor_reset"))
    second_factors.reset(3, COMMAND_LINE, "lost telephone")
    assert admin.get("/admin/").status_code == 302
    assert not column(RecoveryCode.id)
    with pytest.raises(WrongState):
        second_factors.reset(3, COMMAND_LINE, "again")


def test_each_act_on_an_account_is_offered(logged_in: LoggedIn) -> None:
    Device(logged_in(Role.OPERATOR))
    page = logged_in(Role.ADMIN).get("/admin/staff/").text
    offered = re.findall(r'action="/admin/staff/2/([a-z-]+)"', page)
    assert offered == ["role", "sign-out", "reset-factor", "disable"]


def test_a_factor_is_in_use_once_its_first_code_came(app: Flask, admin: Browser) -> None:
    other = Browser(app)
    other.log_in(MAIL)
    assert "otpauth://totp/" in admin.post("/admin/second-factor/begin").text
    assert admin.post("/admin/second-factor/confirm", code="12").status_code == 400
    assert Browser(app).log_in(MAIL).location == "/admin/"
    Device(admin)
    assert other.get("/admin/").status_code == 302, "every other login is over"
    admin.post("/admin/second-factor/begin")
    assert "You have a second factor already." in admin.get("/admin/second-factor/").text
    admin.post("/admin/second-factor/off")
    assert Browser(app).log_in(MAIL).location == "/admin/"
