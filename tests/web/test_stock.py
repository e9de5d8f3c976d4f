"""What is left stands on the cards: asked rarely, by nobody who waits, and never in the way of an order."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from flask import Flask, current_app
from flask.testing import FlaskClient

from orderapp.models import SwitchMode, SystemSwitch, db_now
from orderapp.services.db.transactions import writing
from orderapp.services.orders import stock
from tests.sandbox.running import RunningSandbox
from tests.servers.loopback import poll_until
from tests.web.test_placing import place

ALL = {"sku": ["TEA-GREEN", "POT-CAST", "SCALE-01"]}


def left(client: FlaskClient, **headers: str) -> dict[str, str]:
    found: dict[str, str] = client.get("/stock", query_string=ALL, headers=headers).json["left"]
    return found


def questions(sandbox: RunningSandbox) -> int:
    calls: int = sandbox.faults()["inventory"]["calls"]
    return calls


def let_time_pass(seconds: float) -> None:
    """Make what this process knows, and its last question, older."""
    known = current_app.extensions[stock.EXTENSION]
    known.ask_from -= seconds
    known.numbers = {sku: (number, at - seconds) for sku, (number, at) in known.numbers.items()}


def test_few_are_told_and_many_are_not(client: FlaskClient, sandbox: RunningSandbox) -> None:
    sandbox.set("stock", "POT-CAST", 3)
    assert left(client) == {"TEA-GREEN": "", "POT-CAST": "3 left", "SCALE-01": "Sold out"}
    assert left(client, **{"Accept-Language": "de"})["POT-CAST"] == "noch 3 da"
    page = client.get("/").text
    assert 'data-left="POT-CAST">3 left<' in page
    assert 'data-left="SCALE-01">Sold out<' in page
    unknown = {"sku": ["NO-SUCH", "nul\x00", "x" * 500]}
    assert client.get("/stock", query_string=unknown).json == {"left": {}}


def test_it_is_asked_for_every_few_seconds_at_the_most_and_for_all_together(
    client: FlaskClient, sandbox: RunningSandbox
) -> None:
    before = questions(sandbox)
    for _ in range(3):
        client.get("/")
        left(client)
    assert questions(sandbox) == before + 1
    sandbox.set("stock", "POT-CAST", 2)
    let_time_pass(stock.PAUSE_SECONDS)
    assert left(client)["POT-CAST"] == "2 left"
    assert questions(sandbox) == before + 2


@pytest.mark.parametrize("fault", ["down", "garbage", "error_before", "cut_after"])
def test_where_it_can_t_be_asked_nothing_is_said_and_it_is_left_alone_for_a_while(
    client: FlaskClient, sandbox: RunningSandbox, fault: str
) -> None:
    left(client)
    let_time_pass(stock.TOLD_SECONDS)
    sandbox.fault("inventory", fault)
    assert left(client) == {}
    assert "Sold out" not in client.get("/").text
    sandbox.clear_faults()
    assert left(client) == {}
    let_time_pass(stock.PAUSE_AFTER_FAILURE_SECONDS)
    assert left(client)["SCALE-01"] == "Sold out"


def is_asked() -> bool:
    known = current_app.extensions.get(stock.EXTENSION)
    return known is not None and known.asking.locked()


def test_a_slow_answer_holds_up_one_visitor_s_question_and_nobody_s_page_or_order(
    app: Flask, client: FlaskClient, sandbox: RunningSandbox, new_form: Callable[..., dict[str, str]]
) -> None:
    fields = new_form()
    sandbox.fault("inventory", "slow", seconds=2.5, scope="reads")
    answered: list[dict[str, str]] = []
    asking = threading.Thread(target=lambda: answered.append(left(app.test_client())))
    asking.start()
    assert poll_until(is_asked, within_seconds=5)
    assert left(client) == {}
    assert client.get("/").status_code == 200
    assert place(client, fields).status_code == 303
    assert answered == []
    asking.join()
    assert answered[0]["SCALE-01"] == "Sold out"


def test_a_system_that_staff_have_paused_is_not_asked(client: FlaskClient, sandbox: RunningSandbox) -> None:
    with writing() as session:
        session.add(SystemSwitch(system="inventory", mode=SwitchMode.PAUSED.value, reason="count", changed_at=db_now()))
    before = questions(sandbox)
    assert left(client) == {}
    assert questions(sandbox) == before
