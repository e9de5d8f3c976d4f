"""`flask staff` and `flask tokens`: who may use the back office and the API."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import select, update

from orderapp.cli.command import os_user
from orderapp.errors import WrongState
from orderapp.models import ApiToken, AuditEntry, Role, Staff, db_now
from orderapp.services.access import api_tokens, sessions
from orderapp.services.access.accounts import create_staff, disable_staff
from orderapp.services.access.logins import log_in
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.services.db.transactions import reading, writing
from tests.cli.conftest import Run

PASSWORD = "a horse that staples batteries"


def staff(app: Flask) -> list[tuple[str, str]]:
    with app.app_context(), reading() as session:
        return [(one.email, one.role) for one in session.scalars(select(Staff).order_by(Staff.id))]


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_an_account_is_created_with_the_password_from_standard_input(app: Flask, run: Run, ending: str) -> None:
    result = run(
        "staff", "create", "ada@example.com", "--role", "operator", "--password-stdin", stdin=PASSWORD + ending
    )
    assert (result.exit_code, result.stdout) == (0, "Created ada@example.com as operator.\n")
    assert staff(app) == [("ada@example.com", "operator")]
    with app.app_context(), reading() as session:
        assert session.scalars(select(Staff.password_hash)).one().startswith("$argon2id$")


@pytest.mark.parametrize(
    ("email", "stdin", "told"),
    [
        ("ada", PASSWORD, "email: "),
        ("ada@example.com", "short", "password: "),
        ("ada@example.com", "", "standard input holds no password of one line"),
        ("ada@example.com", "\n", "standard input holds no password of one line"),
        ("ada@example.com", f"{PASSWORD}\nand more\n", "standard input holds no password of one line"),
        ("ada@example.com", b"\xff" * 20, "the password on standard input is not UTF-8"),
        ("ada\n@example.com", PASSWORD, "email: "),
    ],
)
def test_what_makes_no_account_is_refused_with_one_line(
    app: Flask, run: Run, email: str, stdin: str | bytes, told: str
) -> None:
    result = run("staff", "create", email, "--role", "admin", "--password-stdin", stdin=stdin)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {told}")
    assert result.stderr.count("\n") == 1
    assert PASSWORD not in result.output
    assert staff(app) == []


def test_an_account_is_created_once(app: Flask, run: Run) -> None:
    for expected in (0, 1):
        result = run("staff", "create", "ada@example.com", "--role", "admin", "--password-stdin", stdin=PASSWORD)
        assert result.exit_code == expected
    assert "There is an account with this address already." in result.stderr
    assert len(staff(app)) == 1


def test_a_password_is_not_taken_from_the_arguments(app: Flask, run: Run) -> None:
    result = run("staff", "create", "ada@example.com", "--role", "admin")
    assert result.exit_code == 1
    assert "--password-stdin" in result.stderr
    assert staff(app) == []


def test_a_role_that_does_not_exist_is_refused(app: Flask, run: Run) -> None:
    result = run("staff", "create", "ada@example.com", "--role", "owner", "--password-stdin", stdin=PASSWORD)
    assert result.exit_code == 2
    assert "'viewer', 'operator', 'admin'" in result.stderr
    assert staff(app) == []


def test_a_lost_password_is_replaced_and_ends_all_logins(app: Flask, run: Run) -> None:
    with app.app_context():
        create_staff("ada@example.com", Role.ADMIN, PASSWORD)
        opened = log_in("ada@example.com", PASSWORD, "127.0.0.1")
        assert opened is not None
    new = "a mule that files paper clips"
    result = run("staff", "password", "Ada@Example.com", "--reason", "it was lost", "--password-stdin", stdin=new)
    assert (result.exit_code, result.stderr) == (0, "")
    assert new not in result.output
    with app.app_context():
        assert sessions.find(opened.token) is None
        assert log_in("ada@example.com", PASSWORD, "127.0.0.1") is None
        assert log_in("ada@example.com", new, "127.0.0.1") is not None
        with reading() as session:
            entry = session.scalars(select(AuditEntry).where(AuditEntry.act == "staff.password")).one()
    assert (entry.actor, entry.subject, entry.reason) == ("command line", "staff 1", "it was lost")
    assert (entry.os_user, entry.network, entry.request_id) == (os_user(), None, None)
    assert new not in entry.details


@pytest.mark.parametrize(
    ("email", "password", "more", "told"),
    [
        ("bob@example.com", PASSWORD, ("--password-stdin",), "There is no member of staff with this address."),
        ("no\nbody", PASSWORD, ("--password-stdin",), "There is no member of staff with this address."),
        ("ada@example.com", "short", ("--password-stdin",), "password: "),
        ("ada@example.com", "", ("--password-stdin",), "standard input holds no password of one line"),
        ("ada@example.com", PASSWORD, (), "give --password-stdin"),
    ],
)
def test_a_password_that_isnt_replaced_stays(
    app: Flask, run: Run, email: str, password: str, more: tuple[str, ...], told: str
) -> None:
    with app.app_context():
        create_staff("ada@example.com", Role.ADMIN, PASSWORD)
    result = run("staff", "password", email, "--reason", "lost", *more, stdin=password)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {told}")
    with app.app_context():
        assert log_in("ada@example.com", PASSWORD, "127.0.0.1") is not None


def test_a_disabled_account_is_enabled(app: Flask, run: Run) -> None:
    with app.app_context():
        for email in ("ada@example.com", "bob@example.com"):
            create_staff(email, Role.ADMIN, PASSWORD)
        disable_staff(1, COMMAND_LINE, "left us")
    result = run("staff", "enable", "ada@example.com", "--reason", "back again")
    assert (result.exit_code, result.stdout) == (0, "ada@example.com can log in again.\n")
    with app.app_context():
        assert log_in("ada@example.com", PASSWORD, "127.0.0.1") is not None
    again = run("staff", "enable", "ada@example.com", "--reason", "back again")
    assert (again.exit_code, again.stderr) == (1, "Error: ada@example.com isn't disabled. Nothing was changed.\n")


def test_a_token_is_printed_once_and_only_its_hash_is_kept(app: Flask, run: Run) -> None:
    result = run("tokens", "create", "webshop")
    assert result.exit_code == 0
    token = result.stdout.strip()
    assert result.stdout == f"{token}\n"
    with app.app_context():
        assert api_tokens.authenticate(token) is not None
        with reading() as session:
            assert token not in session.scalars(select(ApiToken.token_hash)).one()
    assert token not in run("tokens", "list").output


def test_a_revoked_token_opens_nothing(app: Flask, run: Run) -> None:
    token = run("tokens", "create", "webshop").stdout.strip()
    assert run("tokens", "revoke", "webshop").exit_code == 0
    with app.app_context():
        assert api_tokens.authenticate(token) is None
    assert "revoked" in run("tokens", "list").stdout


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("create", ""), "Error: name: "),
        (("create", "two\nlines"), "Error: name: "),
        (("create", "x" * 101), "Error: name: "),
        (("revoke", "nobody"), "Error: There is no API client"),
        (("revoke", "no\nbody"), "Error: There is no API client"),
    ],
)
def test_names_that_name_no_client_are_refused_with_one_line(run: Run, args: tuple[str, ...], told: str) -> None:
    result = run("tokens", *args)
    assert result.exit_code == 1
    assert result.stderr.startswith(told)
    assert result.stderr.count("\n") == 1


def test_a_client_has_one_token_at_a_time(run: Run) -> None:
    assert run("tokens", "create", "webshop").exit_code == 0
    second = run("tokens", "create", "webshop")
    assert second.exit_code == 1
    assert second.stdout == ""
    assert "has a token already" in second.stderr


def test_who_typed_a_command_is_asked_of_the_operating_system(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("USER", "LOGNAME", "USERNAME", "SUDO_USER"):
        monkeypatch.setenv(name, "eve\n" * 100)
    monkeypatch.setattr("os.getuid", lambda: 12_345)
    assert os_user() == "user 12345"
    monkeypatch.setattr("os.getuid", lambda: 0)
    assert os_user().startswith("root (sudo by eve eve")
    assert len(os_user()) <= 64
    monkeypatch.delenv("SUDO_USER")
    assert os_user() == "root"


def acts(app: Flask, act: str) -> list[tuple[str, str]]:
    with app.app_context(), reading() as session:
        done = (AuditEntry.act == act, AuditEntry.refused.is_(None))
        found = session.execute(select(AuditEntry.subject, AuditEntry.reason).where(*done))
        return [tuple(one) for one in found]


def test_each_act_on_a_token_is_in_the_audit_once(app: Flask, run: Run) -> None:
    run("tokens", "create", "webshop")
    assert acts(app, "token.create") == [("API token 1", "")]
    for _ in range(2):  # the second finds nothing to revoke
        assert run("tokens", "revoke", "webshop").exit_code == 0
        assert acts(app, "token.revoke") == [("API token 1", "")]


def test_an_account_is_disabled_once(app: Flask) -> None:
    with app.app_context():
        for email in ("ada@example.com", "bob@example.com"):
            create_staff(email, Role.ADMIN, PASSWORD)
        disable_staff(1, COMMAND_LINE, "left us")
        with reading() as session:
            disabled_at = session.scalars(select(Staff.disabled_at).where(Staff.id == 1)).one()
        with pytest.raises(WrongState):
            disable_staff(1, COMMAND_LINE, "left us again")
        with reading() as session:
            assert session.scalars(select(Staff.disabled_at).where(Staff.id == 1)).one() == disabled_at
    assert acts(app, "staff.disable") == [("staff 1", "left us")]


def test_a_second_factor_is_reset_where_there_is_one(app: Flask, run: Run) -> None:
    with app.app_context():
        create_staff("ada@example.com", Role.ADMIN, PASSWORD)
        with writing() as session:
            session.execute(update(Staff).values(totp_secret="A" * 32, totp_since=db_now()))
        opened = log_in("ada@example.com", PASSWORD, "127.0.0.1")
    assert opened is not None
    assert opened.waits_for_code
    result = run("staff", "reset-factor", "ada@example.com", "--reason", "lost telephone")
    assert (result.exit_code, result.stderr) == (0, "")
    with app.app_context():
        opened = log_in("ada@example.com", PASSWORD, "127.0.0.1")
    assert opened is not None
    assert not opened.waits_for_code
    again = run("staff", "reset-factor", "ada@example.com", "--reason", "lost telephone")
    assert (again.exit_code, again.stderr) == (1, "Error: ada@example.com has no second factor. Nothing was changed.\n")
