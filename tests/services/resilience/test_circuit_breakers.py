"""A system that fails is given a rest, by all processes together, and is used again as soon as it works (T33)."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import update

from orderapp import create_app
from orderapp.domain.outcome import Answer, Outcome
from orderapp.domain.states import TaskState
from orderapp.extensions import db
from orderapp.models import SwitchMode, Task, db_now
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.services.db.transactions import writing
from orderapp.services.engine.probes import probe_the_failing
from orderapp.services.engine.run_task import run_task
from orderapp.services.placing.place import Result
from orderapp.services.resilience.circuit_breakers import LONGEST_PROBE_PAUSE_SECONDS
from orderapp.services.resilience.switches import switch_system
from orderapp.systems.base import Part
from tests.servers.loopback import poll_until
from tests.services.scripted import Scripted, answers
from tests.services.shop import Shop

DOWN = answers(Outcome.UNKNOWN, "timeout")


class Ailing(Scripted):
    """A system that can be switched off: then it answers neither calls nor the harmless question."""

    down = False
    answers_the_question = True

    def check(self) -> Answer:
        self.calls.append(("check", ""))
        return Answer(Outcome.DONE if self.answers_the_question and not self.down else Outcome.UNKNOWN, "timeout")

    def _begin(self, verb: str, effect: object) -> None:
        super()._begin(verb, effect)  # type: ignore[arg-type]
        queue = self.acts if verb == "act" else self.undos
        if self.down and not queue:
            queue.append(DOWN)


@pytest.fixture
def stock() -> Ailing:
    return Ailing("stock", attempts=100)


@pytest.fixture
def bank() -> Ailing:
    return Ailing("bank", Part.SETTLE, attempts=100)


@pytest.fixture
def ailing_shop(empty_shop: Shop, stock: Ailing, bank: Ailing) -> Shop:
    return empty_shop.with_systems(stock, bank)


def fail_until_open(shop: Shop, bank: Ailing, tasks: int = 3) -> None:
    """Confirm orders whose settlements fail until the bank's circuit opens."""
    for _ in range(tasks):
        shop.submit()
    bank.down = True
    for _ in range(10):
        if shop.circuit("bank") is None:
            task = min(shop.tasks(kind="settle", state="waiting"), key=lambda one: one.attempts)
            shop.make_due()
            run_task(task.id, shop.settings)


def state(shop: Shop, system: str) -> str:
    circuit = shop.circuit(system)
    return circuit.state if circuit else "closed"


def attempts_used(shop: Shop) -> int:
    return sum(task.attempts for task in shop.tasks(kind="settle"))


def test_a_system_that_works_costs_no_row(ailing_shop: Shop) -> None:
    ailing_shop.submit()
    ailing_shop.work_until_quiet()
    assert (ailing_shop.circuit("stock"), ailing_shop.circuit("bank")) == (None, None)


def test_an_outage_opens_the_circuit_and_then_uses_up_no_attempts(ailing_shop: Shop, bank: Ailing) -> None:
    fail_until_open(ailing_shop, bank)
    assert state(ailing_shop, "bank") == "open"
    used, calls = attempts_used(ailing_shop), len(bank.verbs())
    ailing_shop.make_due()
    for task in ailing_shop.tasks(kind="settle"):
        assert run_task(task.id, ailing_shop.settings) is None
    assert ailing_shop.due() == []
    assert (attempts_used(ailing_shop), len(bank.verbs())) == (used, calls)


def test_the_pauses_between_tasks_that_probe_grow_up_to_five_minutes(ailing_shop: Shop, bank: Ailing) -> None:
    fail_until_open(ailing_shop, bank)
    pauses = []
    for _ in range(12):
        ailing_shop.let_probes_be_due()
        ailing_shop.make_due()
        ran = [run_task(task.id, ailing_shop.settings) for task in ailing_shop.tasks(kind="settle")]
        assert ran.count(TaskState.WAITING) == 1
        circuit = ailing_shop.circuit("bank")
        assert circuit is not None
        pauses.append(circuit.probe_pause_seconds)
    assert pauses == [2, 4, 8, 16, 32, 64, 128, 256, *[LONGEST_PROBE_PAUSE_SECONDS] * 4]


def test_a_task_that_alone_is_at_fault_goes_to_staff_after_its_limit_although_the_circuit_is_open(
    empty_shop: Shop, stock: Ailing
) -> None:
    bank = Ailing("bank", Part.SETTLE, attempts=12)
    shop = empty_shop.with_systems(stock, bank)
    fail_until_open(shop, bank, tasks=1)
    assert shop.task(kind="settle").attempts == 10
    for _ in range(2):
        shop.let_probes_be_due()
        shop.make_due()
        run_task(shop.task(kind="settle").id, shop.settings)
    assert (shop.task(kind="settle").state, shop.task(kind="settle").attempts) == ("failed", 12)


def test_a_task_that_works_as_a_probe_closes_the_circuit(ailing_shop: Shop, bank: Ailing) -> None:
    fail_until_open(ailing_shop, bank)
    bank.down = False
    ailing_shop.let_probes_be_due()
    probe_the_failing(ailing_shop.settings)
    assert state(ailing_shop, "bank") == "half_open"
    [hint] = ailing_shop.due()
    assert run_task(hint.task_id, ailing_shop.settings) is TaskState.DONE
    assert state(ailing_shop, "bank") == "closed"
    ailing_shop.work_until_quiet()
    assert bank.held == 3


def test_an_answered_question_alone_closes_nothing_and_one_that_fails_again_opens_it(
    ailing_shop: Shop, bank: Ailing
) -> None:
    fail_until_open(ailing_shop, bank)
    for up, expected in ((True, "half_open"), (True, "half_open"), (False, "open")):
        bank.down = not up
        ailing_shop.let_probes_be_due()
        probe_the_failing(ailing_shop.settings)
        assert state(ailing_shop, "bank") == expected


def test_a_call_that_was_under_way_when_the_circuit_opened_does_not_close_it(ailing_shop: Shop, bank: Ailing) -> None:
    ailing_shop.submit()
    slow = ailing_shop.task(kind="settle")

    def opens_meanwhile(verb: str, effect: object) -> None:
        bank.before = lambda verb, effect: None
        fail_until_open(ailing_shop, bank)
        bank.down = False

    bank.before = opens_meanwhile
    assert run_task(slow.id, ailing_shop.settings) is TaskState.DONE
    assert state(ailing_shop, "bank") == "open"


def test_refusals_and_answers_of_too_many_calls_do_not_open_it(ailing_shop: Shop, bank: Ailing) -> None:
    refused = answers(Outcome.REFUSED, "no", repeatable=False)
    busy = answers(Outcome.NOT_SENT, "http_429", slow_down=True)
    ours = answers(Outcome.NOT_SENT, "http_400", repeatable=False)
    for answer in (refused, busy, ours):
        bank.acts.extend([answer] * 12)
    for _ in range(36):
        ailing_shop.submit()
        run_task(ailing_shop.tasks(kind="settle")[-1].id, ailing_shop.settings)
    assert ailing_shop.circuit("bank") is None


def test_failures_of_before_it_closed_do_not_open_it_again(ailing_shop: Shop, bank: Ailing) -> None:
    fail_until_open(ailing_shop, bank)
    bank.down = False
    ailing_shop.let_probes_be_due()
    ailing_shop.work_until_quiet()
    assert state(ailing_shop, "bank") == "closed"
    bank.acts.append(DOWN)
    ailing_shop.submit()
    ailing_shop.work()
    assert state(ailing_shop, "bank") == "closed"


def test_of_orders_at_the_same_moment_one_tries_and_the_others_are_answered_at_once(
    ailing_shop: Shop, stock: Ailing
) -> None:
    stock.down = True
    for _ in range(10):
        assert ailing_shop.submit().result is Result.UNAVAILABLE
    assert state(ailing_shop, "stock") == "open"
    at_it, go_on = threading.Event(), threading.Event()

    def hang(verb: str, effect: object) -> None:
        at_it.set()
        go_on.wait(10)

    stock.before = hang

    def probe() -> None:
        with ailing_shop.app.app_context():
            ailing_shop.submit()

    prober = threading.Thread(target=probe)
    prober.start()
    assert at_it.wait(10)
    placed = ailing_shop.submit()
    go_on.set()
    prober.join()
    assert placed.stopped is not None
    assert (placed.stopped.code, placed.order.state.value) == ("circuit_open", "failed")
    [refused] = ailing_shop.attempts(order_id=placed.order.id)
    assert (refused.code, refused.worked) == ("circuit_open", None), "no call of it was made, so none has failed"
    assert stock.verbs().count("act") == 11


def test_an_order_after_the_fault_is_placed_at_once_and_closes_the_circuit(ailing_shop: Shop, stock: Ailing) -> None:
    stock.down = True
    for _ in range(12):
        ailing_shop.submit()
    assert state(ailing_shop, "stock") == "open"
    stock.down = False
    assert ailing_shop.submit().result is Result.CONFIRMED
    assert state(ailing_shop, "stock") == "closed"
    ailing_shop.work_until_quiet()
    assert stock.held == 1


def test_an_order_that_may_not_call_one_system_calls_none(ailing_shop: Shop, stock: Ailing) -> None:
    voucher = Ailing("voucher", position=1)
    shop = ailing_shop.with_systems(stock, voucher, *[ailing_shop.settings.systems["bank"]])
    switch_system("stock", SwitchMode.PAUSED, COMMAND_LINE, "works", shop.settings)
    placed = shop.submit()
    assert placed.stopped is not None
    assert (placed.stopped.system, placed.stopped.code, placed.order.state.value) == ("stock", "paused", "failed")
    assert (stock.calls, voucher.calls) == ([], [])


def test_staff_close_a_circuit_by_hand(ailing_shop: Shop, bank: Ailing) -> None:
    fail_until_open(ailing_shop, bank)
    bank.down = False
    switch_system("bank", SwitchMode.ON, COMMAND_LINE, "they say it is corrected", ailing_shop.settings)
    assert state(ailing_shop, "bank") == "closed"
    ailing_shop.work_until_quiet()
    assert bank.held == 3


def test_a_circuit_that_was_open_when_circuits_were_switched_off_is_closed(
    ailing_shop: Shop, stock: Ailing, bank: Ailing
) -> None:
    fail_until_open(ailing_shop, bank)
    bank.down = False
    bank.limits = type(bank.limits)(circuit_calls=0)
    ailing_shop.work_until_quiet()
    assert (state(ailing_shop, "bank"), bank.held) == ("closed", 3)


@pytest.fixture
def another_process(ailing_shop: Shop) -> Iterator[Flask]:
    """The same installation, in an application with connections of its own."""
    made = create_app({"SECRET_KEY": "another process" * 3, "DATABASE_URL": ailing_shop.settings.database_url})
    yield made
    with made.app_context():
        db.engine.dispose()


def test_what_one_process_has_noticed_all_processes_go_by(
    ailing_shop: Shop, bank: Ailing, another_process: Flask
) -> None:
    fail_until_open(ailing_shop, bank)
    ailing_shop.make_due()
    ids = [task.id for task in ailing_shop.tasks(kind="settle")]
    with another_process.app_context():
        assert [run_task(task_id, ailing_shop.settings) for task_id in ids] == [None] * 3
        bank.down = False
        ailing_shop.let_probes_be_due()
        assert run_task(ids[0], ailing_shop.settings) is TaskState.DONE
    assert state(ailing_shop, "bank") == "closed"
    assert poll_until(lambda: ailing_shop.work() == 0 and bank.held == 3, within_seconds=10)


def test_what_a_failing_system_said_of_waiting_is_past_once_it_works(ailing_shop: Shop, stock: Ailing) -> None:
    order = ailing_shop.submit().order
    stock.down = True
    stock.acts.extend([answers(Outcome.UNKNOWN, "http_503", retry_after_seconds=3600)] * 10)
    for _ in range(10):
        ailing_shop.submit()
    ailing_shop.cancel(order.id)
    [task] = ailing_shop.tasks(order.id, kind="compensate", system="stock")
    ailing_shop.let_probes_be_due()
    assert run_task(task.id, ailing_shop.settings) is None
    stock.down = False
    assert ailing_shop.submit().result is Result.CONFIRMED
    ailing_shop.work_until_quiet()
    assert stock.held == 1


def test_the_task_that_would_be_due_next_tries_first(ailing_shop: Shop, bank: Ailing) -> None:
    fail_until_open(ailing_shop, bank)
    bank.down = False
    late, early, later = (task.id for task in ailing_shop.tasks(kind="settle"))
    with writing() as session:
        for task_id, seconds in ((late, 300), (early, 100), (later, 400)):
            due = {"due_at": db_now(seconds), "publish_at": db_now(seconds)}
            session.execute(update(Task).where(Task.id == task_id).values(**due))
    ailing_shop.let_probes_be_due()
    probe_the_failing(ailing_shop.settings)
    assert [task_id for task_id in (late, early, later) if (ailing_shop.seconds_until_due(task_id) or 0) < 1] == [early]
