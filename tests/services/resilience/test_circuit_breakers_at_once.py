"""Two who change several circuits at the same moment: neither is refused because of the other."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from sqlalchemy import event, insert, text

from orderapp.domain.outcome import Answer, Outcome
from orderapp.domain.verbs import Verb
from orderapp.extensions import db
from orderapp.models import Circuit, CircuitState, db_now
from orderapp.services.db.transactions import writing
from orderapp.services.resilience import circuit_breakers
from orderapp.services.resilience.admission import Admission
from orderapp.services.saga.circuit_feedback import learn_from_steps
from orderapp.services.saga.values import PlannedStep, StepResult, Try
from tests.servers.loopback import poll_until
from tests.services.scripted import Scripted
from tests.services.shop import Shop

# In the order of their rows, which is the one that a statement without an order of its own goes by.
SYSTEMS = ("voucher", "stock")
WAIT_SECONDS = 10
_WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")


@pytest.fixture
def database_url(postgres_database: str) -> str:
    return postgres_database


def test_an_order_that_closes_two_circuits_and_one_that_may_try_them_do_not_wait_for_each_other(
    empty_shop: Shop,
) -> None:
    shop = empty_shop.with_systems(*(Scripted(name) for name in SYSTEMS))
    results = [
        StepResult(PlannedStep(1, name, name), False, [Try(Verb.ACT, Answer(Outcome.DONE), 0, 0)]) for name in SYSTEMS
    ]
    has_begun = threading.Event()
    for name in SYSTEMS:
        _open(name)

    def take() -> None:
        with shop.app.app_context():
            has_begun.wait(WAIT_SECONDS)
            with writing() as session:
                circuit_breakers.take_order_probes(session, SYSTEMS)

    with ThreadPoolExecutor(1) as pool:
        taking = pool.submit(take)
        with writing() as session:
            # From its first statement on, so in the middle of what it changes, the other one is there and waits.
            event.listen(session.connection(), "after_cursor_execute", lambda *_: _let_the_other(has_begun, taking))
            learn_from_steps(session, results, Admission(probes=frozenset(SYSTEMS)), shop.settings.systems)
        taking.result(WAIT_SECONDS)


def _let_the_other(begin: threading.Event, other: Future[None]) -> None:
    if begin.is_set():
        return
    begin.set()
    with db.engine.connect() as watching:
        assert poll_until(lambda: other.done() or watching.execute(_WAITING).scalar_one(), within_seconds=WAIT_SECONDS)


def _open(name: str) -> None:
    with writing() as session:
        session.execute(
            insert(Circuit).values(
                system=name,
                state=CircuitState.OPEN.value,
                changed_at=db_now(),
                reason="",
                probe_at=db_now(),
                order_probe_at=db_now(),
                check_at=db_now(),
                probe_pause_seconds=1,
                pulled_task_id=0,
            )
        )
