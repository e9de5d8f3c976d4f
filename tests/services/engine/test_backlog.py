"""After an outage what waits goes on at once, not when its backoff ends (T34), and not all in one second (T33)."""

from __future__ import annotations

import time

import pytest

from orderapp.domain.outcome import Outcome
from orderapp.domain.states import TaskState
from orderapp.models import SwitchMode
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.services.engine.backlog import TASKS_PER_SECOND, pull_batch, pull_forward
from orderapp.services.engine.run_task import run_task
from orderapp.services.resilience.switches import switch_system
from orderapp.systems.base import Part
from orderapp.systems.limits import Limits
from tests.services.scripted import Scripted, answers
from tests.services.shop import Shop


@pytest.fixture
def bank() -> Scripted:
    return Scripted("bank", Part.SETTLE, attempts=100)


@pytest.fixture
def waiting_shop(empty_shop: Shop, bank: Scripted) -> Shop:
    """A shop with twenty settlements, each due in an hour because it failed once; the circuit has not opened."""
    bank.limits = Limits(circuit_calls=0)
    shop = empty_shop.with_systems(Scripted("stock"), bank)
    bank.acts.extend([answers(Outcome.UNKNOWN, "http_503")] * 20)
    for _ in range(20):
        shop.submit()
    for task in shop.tasks(kind="settle"):
        run_task(task.id, shop.settings)
    shop.let_time_pass(-3600)
    return shop


def resume(shop: Shop) -> None:
    """Pause and use again: what staff do when they know that a system is well."""
    switch_system("bank", SwitchMode.PAUSED, COMMAND_LINE, "down", shop.settings)
    switch_system("bank", SwitchMode.ON, COMMAND_LINE, "up", shop.settings)


def due_in(shop: Shop) -> list[float]:
    found = [shop.seconds_until_due(task.id) for task in shop.tasks(kind="settle", state="waiting")]
    return sorted(seconds for seconds in found if seconds is not None)


@pytest.mark.parametrize(("rate", "apart"), [(0.0, 1 / TASKS_PER_SECOND), (2.0, 1 / (0.9 * 2))])
def test_what_waits_out_its_backoff_is_pulled_forward_one_after_the_other(
    waiting_shop: Shop, bank: Scripted, rate: float, apart: float
) -> None:
    assert due_in(waiting_shop)[0] > 3000
    bank.limits = Limits(rate_per_second=rate, circuit_calls=0)
    resume(waiting_shop)
    pull_forward(waiting_shop.settings)
    due = due_in(waiting_shop)
    assert due[0] < 0.1
    assert due[-1] - due[0] == pytest.approx(19 * apart, abs=0.3)
    circuit = waiting_shop.circuit("bank")
    assert circuit is not None
    assert circuit.recovered_at is None


def test_it_goes_on_where_it_died(waiting_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orderapp.services.engine.backlog.BATCH", 5)
    resume(waiting_shop)
    started = time.monotonic()
    assert pull_batch(waiting_shop.settings.systems["bank"])
    assert len([seconds for seconds in due_in(waiting_shop) if seconds < 60]) == 5
    pull_forward(waiting_shop.settings)
    due = due_in(waiting_shop)
    assert len(due) == 20
    assert due[-1] < 60
    took = time.monotonic() - started  # what was due by then goes on from now
    assert all(later - earlier < 0.3 + took for earlier, later in zip(due, due[1:], strict=False))


def test_while_a_system_is_paused_nothing_is_pulled_forward(waiting_shop: Shop) -> None:
    resume(waiting_shop)
    switch_system("bank", SwitchMode.PAUSED, COMMAND_LINE, "not yet", waiting_shop.settings)
    pull_forward(waiting_shop.settings)
    assert due_in(waiting_shop)[0] > 3000
    assert waiting_shop.due() == []
    switch_system("bank", SwitchMode.ON, COMMAND_LINE, "now", waiting_shop.settings)
    pull_forward(waiting_shop.settings)
    assert due_in(waiting_shop)[-1] < 60


def test_a_settlement_that_the_bank_is_still_at_is_asked_for_when_the_bank_said(
    waiting_shop: Shop, bank: Scripted
) -> None:
    bank.acts.append(answers(Outcome.DONE, pending=True, retry_after_seconds=1800))
    order = waiting_shop.submit().order
    [task] = waiting_shop.tasks(order.id, kind="settle")
    run_task(task.id, waiting_shop.settings)
    resume(waiting_shop)
    pull_forward(waiting_shop.settings)
    assert (waiting_shop.seconds_until_due(task.id) or 0) > 1700
    assert len([seconds for seconds in due_in(waiting_shop) if seconds < 60]) == 20


def test_everything_is_done_in_the_end(waiting_shop: Shop, bank: Scripted) -> None:
    resume(waiting_shop)
    waiting_shop.work_until_quiet()
    assert {task.state for task in waiting_shop.tasks(kind="settle")} == {TaskState.DONE.value}
    assert bank.held == 20
