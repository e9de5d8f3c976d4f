"""What a system's recovery sets off: once, and not before a task may try."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from orderapp.domain.outcome import Outcome
from orderapp.models import Circuit, CircuitState, Task, db_now
from orderapp.services.db.transactions import writing
from orderapp.services.engine.probes import probe_the_failing
from orderapp.services.engine.run_task import run_task
from orderapp.services.resilience.circuit_breakers import close
from orderapp.systems.base import Part
from tests.services.scripted import Scripted, answers
from tests.services.shop import Shop

IN_SECONDS = 60.0


@pytest.fixture
def bank() -> Scripted:
    return Scripted("bank", Part.SETTLE, attempts=100)


@pytest.fixture
def failing_shop(empty_shop: Shop, bank: Scripted) -> Shop:
    """A shop whose bank's circuit is open; its only task is due in a minute."""
    shop = empty_shop.with_systems(bank)
    bank.acts.extend([answers(Outcome.UNKNOWN, "timeout")] * 10)
    shop.submit()
    while shop.circuit("bank") is None:
        shop.make_due()
        run_task(shop.task().id, shop.settings)
    with writing() as session:
        session.execute(update(Task).values(due_at=db_now(IN_SECONDS)))
    return shop


@pytest.mark.parametrize("may_try", [True, False])
def test_a_task_is_made_due_when_it_may_try(failing_shop: Shop, may_try: bool) -> None:
    probe_at = db_now(0 if may_try else IN_SECONDS)
    with writing() as session:
        session.execute(update(Circuit).values(state=CircuitState.HALF_OPEN.value, probe_at=probe_at))
    probe_the_failing(failing_shop.settings)
    assert ((failing_shop.seconds_until_due(failing_shop.task().id) or 0) <= 0) is may_try


def test_a_circuit_that_is_closed_is_not_closed_again(failing_shop: Shop) -> None:
    failing_shop.let_probes_be_due()
    failing_shop.work_until_quiet()
    before = failing_shop.circuit("bank")
    with writing() as session:
        close(session, "bank")
    after = failing_shop.circuit("bank")
    assert before is not None
    assert after is not None
    assert (before.state, after.changed_at, after.recovered_at) == ("closed", before.changed_at, before.recovered_at)
