"""A mistyped e-mail address is corrected by whoever has the order's link and a code that came to the right one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, update
from werkzeug.test import TestResponse

from orderapp.admin.triggers import Triggers
from orderapp.config import Settings
from orderapp.models import Attempt, AuditEntry, Order, RateCounter, SystemSwitch, Task, db_now
from orderapp.services.db.transactions import reading, writing
from orderapp.services.engine.claim import claim
from orderapp.services.engine.run_task import make_run, record_runs
from tests.sandbox.running import RunningSandbox
from tests.web.conftest import hidden_fields

Form = Callable[..., dict[str, str]]
RIGHT = "ada@example.net"


@pytest.fixture
def order_page(client: FlaskClient, new_form: Form) -> str:
    """The path of the page of a confirmed order, whose mails go to a mistyped address."""
    answer = client.post("/orders", data=new_form(email="ada@exampel.net"))
    return str(answer.location)


def send(client: FlaskClient, order_page: str, path: str, **typed: str) -> TestResponse:
    return client.post(f"{order_page}/{path}", data={**hidden_fields(client.get(order_page)), **typed})


def code_in(sandbox: RunningSandbox) -> str:
    """Return the code in the newest mail."""
    newest = next(mail for mail in newest_last(sandbox)[::-1] if mail["subject"].startswith("Your code"))
    assert "/orders/" not in newest["body"]  # it may have come to a stranger
    return re.findall(r"^\s*(\d{4} \d{4})\s*$", newest["body"], re.MULTILINE)[0]


def newest_last(sandbox: RunningSandbox) -> list[dict[str, Any]]:
    return sandbox.rows("mails")[::-1]


def corrected() -> str | None:
    with reading() as session:
        return session.scalars(select(Order.corrected_email)).one()


def test_the_code_corrects_the_address_and_the_confirmation_is_sent_again(
    client: FlaskClient, order_page: str, sandbox: RunningSandbox, run_tasks: Callable[[], None]
) -> None:
    run_tasks()
    assert "a…@exampel.net" in client.get(order_page).text
    asked = send(client, order_page, "email", email=RIGHT)
    assert asked.status_code == 303
    assert "Type in the code" in client.get(asked.location).text
    assert corrected() is None
    code = code_in(sandbox)
    assert send(client, order_page, "email/code", code=code).location == order_page
    assert "Your e-mail address is corrected." in client.get(order_page).text
    run_tasks()
    assert corrected() == RIGHT
    sent = newest_last(sandbox)
    assert [mail["subject"].split(" ")[1] for mail in sent] == ["order", "code", "order"]
    assert [mail["recipients"] for mail in sent] == ["ada@exampel.net", RIGHT, RIGHT]
    assert len({mail["message_id"] for mail in sent}) == 3
    assert len(sandbox.rows("texts")) == 0
    newest_first = select(Attempt).order_by(Attempt.id.desc())
    with reading() as session:
        entry = session.scalars(select(AuditEntry)).one()
        keys = session.scalars(select(Task.key).where(Task.system == "settlement")).all()
        tasks, attempts = session.scalars(select(Task)).all(), session.scalars(newest_first).all()
    assert (entry.actor, entry.act, json.loads(entry.details)) == (
        "customer", "order.correct_email", {"before": "a…@exampel.net", "after": "a…@example.net"},
    )  # fmt: skip
    assert len(keys) == 1
    assert not [one for one in attempts if RIGHT in one.exchanges]
    why = Triggers(tasks, attempts, [entry]).of(attempts[0])
    assert why.text == "customer corrected the address"
    # The code is used up, and pressing again changes nothing.
    assert send(client, order_page, "email/code", code=code).location == f"{order_page}/email"


def test_a_mail_that_was_refused_or_not_sent_yet_goes_to_the_right_address_alone(
    client: FlaskClient, order_page: str, sandbox: RunningSandbox, run_tasks: Callable[[], None]
) -> None:
    send(client, order_page, "email", email=RIGHT)
    send(client, order_page, "email/code", code=code_in(sandbox))
    run_tasks()
    assert [mail["recipients"] for mail in newest_last(sandbox)] == [RIGHT, RIGHT]


def test_nothing_changes_without_the_code_in_its_time(
    client: FlaskClient, order_page: str, sandbox: RunningSandbox
) -> None:
    assert send(client, order_page, "email/code", code="12345678").location == f"{order_page}/email"
    send(client, order_page, "email", email=RIGHT)
    code = code_in(sandbox)
    wrong = [send(client, order_page, "email/code", code=f"{number:08}") for number in range(11)]
    assert [answer.status_code for answer in wrong] == [400] * 10 + [429]
    assert send(client, order_page, "email/code", code=code).status_code == 429
    with writing() as session:
        session.execute(update(RateCounter).values(window_ends_at=db_now(-1)))
    with client.session_transaction() as kept:
        kept["address"] = [*kept["address"][:2], kept["address"][2] - 1801]
    assert send(client, order_page, "email/code", code=code).status_code == 400
    assert corrected() is None


def test_the_page_is_no_mail_cannon(
    client: FlaskClient, order_page: str, new_form: Form, sandbox: RunningSandbox
) -> None:
    to_one = [
        send(client, order_page, "email", email=f"victim+{number}@example.net").status_code for number in range(4)
    ]
    assert to_one == [303, 303, 303, 429]
    to_others = [
        send(client, order_page, "email", email=f"victim{number}@example.net").status_code for number in range(3)
    ]
    assert to_others == [303, 303, 429]
    assert len(sandbox.rows("mails")) == 5
    other = client.post("/orders", data=new_form({"POT-CAST": "1"})).location
    assert send(client, other, "email", email="victim@example.net").status_code == 429


@pytest.mark.parametrize(
    ("typed", "said"),
    [("ada", "The @ is missing"), ("ada@exampel.net", "We have this address already.")],
)
def test_what_cannot_be_the_right_address_is_told(client: FlaskClient, order_page: str, typed: str, said: str) -> None:
    refused = send(client, order_page, "email", email=typed)
    assert refused.status_code == 400
    assert said in refused.text
    assert f'value="{typed}"' in refused.text


def test_while_staff_have_paused_mail_no_code_is_sent(
    client: FlaskClient, order_page: str, sandbox: RunningSandbox
) -> None:
    with writing() as session:
        session.add(SystemSwitch(system="email", mode="paused", reason="x", changed_at=db_now(), actor="x"))
    assert send(client, order_page, "email", email=RIGHT).status_code == 503
    assert sandbox.rows("mails") == []


def test_a_worker_that_is_sending_to_the_old_address_loses_the_mail(
    app: Flask, client: FlaskClient, order_page: str, sandbox: RunningSandbox, run_tasks: Callable[[], None]
) -> None:
    settings: Settings = app.extensions["orderapp.settings"]
    with reading() as session:
        mail = session.scalars(select(Task.id).where(Task.system == "email")).one()
    claimed = claim(mail, settings)
    assert claimed is not None
    sending = make_run(claimed, settings)
    send(client, order_page, "email", email=RIGHT)
    send(client, order_page, "email/code", code=code_in(sandbox))
    assert record_runs([sending]) == {mail: None}
    run_tasks()
    with reading() as session:
        task, key, attempts = session.execute(
            select(Task.state, Task.key, func.count(Attempt.id)).join(Attempt).where(Task.id == mail).group_by(Task.id)
        ).one()
    # That the run was taken away, what came of it all the same, and the mail to the right address.
    assert (task, key, attempts) == ("done", f"{claimed.effect.key}:2", 3)
    assert [one["recipients"] for one in newest_last(sandbox)] == ["ada@exampel.net", RIGHT, RIGHT]


def test_a_code_counts_once_even_if_its_address_comes_back(
    client: FlaskClient, order_page: str, sandbox: RunningSandbox
) -> None:
    send(client, order_page, "email", email=RIGHT)
    with client.session_transaction() as kept:
        first, code = kept["address"], code_in(sandbox)
    send(client, order_page, "email/code", code=code)
    with writing() as session:  # nobody reads the first mail and writes a second address within a second
        session.execute(update(AuditEntry).values(at=db_now(-2)))
    send(client, order_page, "email", email="ada@exampel.net")
    send(client, order_page, "email/code", code=code_in(sandbox))
    assert corrected() == "ada@exampel.net"
    with client.session_transaction() as kept:
        kept["address"] = first
    assert send(client, order_page, "email/code", code=code).status_code == 400
    assert corrected() == "ada@exampel.net"


def test_a_mail_that_was_not_sent_uses_up_no_tries(
    client: FlaskClient, order_page: str, sandbox: RunningSandbox
) -> None:
    sandbox.fault("email", "later")
    refused = [send(client, order_page, "email", email=RIGHT).status_code for _ in range(4)]
    sandbox.clear_faults()
    assert refused == [503] * 4
    assert send(client, order_page, "email", email=RIGHT).status_code == 303
