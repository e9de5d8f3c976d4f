"""Forms that other sites, or programs without cookies, send: no system is asked for them, and nothing is learned."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from orderapp.models import RateCounter
from orderapp.services.db.transactions import reading
from tests.sandbox.running import RunningSandbox
from tests.web.test_costs import button_of
from tests.web.test_placing import orders

NewForm = Callable[..., dict[str, str]]


def calls_and_counts(sandbox: RunningSandbox) -> tuple[int, int]:
    with reading() as session:
        counted = session.scalar(select(func.count()).select_from(RateCounter)) or 0
    return sum(system["calls"] for system in sandbox.faults().values()), counted


@pytest.mark.parametrize("address", ["/orders", "/total", "/summary"])
@pytest.mark.parametrize("cookie", [True, False], ids=["household's cookie", "no cookie"])
@pytest.mark.parametrize("code", ["WELCOME10", "NO-SUCH"])
def test_a_form_without_its_token_asks_no_system_and_counts_no_guess(
    app: Flask, client: FlaskClient, new_form: NewForm, sandbox: RunningSandbox, address: str, cookie: bool, code: str
) -> None:
    fields = new_form(coupon=code, expected_total="2250 EUR", csrf_token="")
    before = calls_and_counts(sandbox)
    page = (client if cookie else app.test_client()).post(address, data=fields)
    assert page.status_code == 400
    assert (calls_and_counts(sandbox), orders()) == (before, 0)
    assert "−€2.50" not in page.text
    assert "check how it is written" not in page.text
    if address != "/summary":
        assert button_of(page.text) == "Order and pay at most €25.00"
        assert f'value="{code}"' in page.text
