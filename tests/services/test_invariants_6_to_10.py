"""Invariants 6 to 10 of the design, each broken by one mistake in the code that it speaks of."""

from __future__ import annotations

import ast
import itertools
import random
import re
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

import orderapp.services
from orderapp.domain.orders import Effect
from orderapp.domain.outcome import Answer, Outcome
from orderapp.domain.states import EDGES, OrderState, PlacementState, StepState, TaskState
from orderapp.models import Order, Placement, Step, Submission, Task
from orderapp.services.db.transactions import reading, writing
from orderapp.services.db.transitions import move
from orderapp.services.engine.recovery import recover
from orderapp.services.engine.run_task import run_task
from orderapp.services.placing.place import Result
from tests.services.scripted import Killed, OneOfEach, answers, dies, does_it_then
from tests.services.shop import Shop
from tests.services.watching import watching


@pytest.fixture
def shop(busy_shop: Shop) -> Shop:
    return busy_shop


MODELS: dict[Any, Any] = {OrderState: Order, PlacementState: Placement, StepState: Step, TaskState: Task}


@pytest.mark.parametrize("states", list(MODELS), ids=lambda states: states.__name__)
def test_invariant_6_rows_move_along_the_drawn_edges_only(shop: Shop, systems: OneOfEach, states: Any) -> None:
    systems.voucher.acts.append(does_it_then(systems.voucher))
    shop.submit()
    model = MODELS[states]
    for start, end in itertools.product(states, states):
        with writing() as session:
            row_id = session.scalars(select(model.id)).first()
            values: dict[str, Any] = {"state": start.value}
            if model is Task:
                held = start is TaskState.RUNNING
                values |= {"lease_until": Task.created_at if held else None, "due_at": Task.created_at}
            session.query(model).filter(model.id == row_id).update(values, synchronize_session=False)
            more = {"lease_until": Task.created_at if end is TaskState.RUNNING else None} if model is Task else {}
            moved = move(session, model, end, model.id == row_id, **more)
        assert moved == (start in EDGES[states][end]), f"{start} to {end}"


def test_invariant_6_states_are_written_in_one_place() -> None:
    folder = Path(orderapp.services.__file__).parent
    writers = set()
    for path in folder.rglob("*.py"):
        for call in (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)):
            is_update = isinstance(call.func, ast.Attribute) and call.func.attr == "values"
            base = ast.unparse(call.func) if is_update else ""
            if base.startswith(("update(", "session.execute(update(")) and any(
                keyword.arg == "state" for keyword in call.keywords
            ):
                writers.add(path.name)
    assert writers == {"transitions.py"}


def test_invariant_6_confirming_and_compensating_exclude_each_other(shop: Shop, systems: OneOfEach) -> None:
    def turned_round(effect: Effect) -> Answer:
        shop.let_submission_leases_lapse()
        recover(shop.settings)
        return systems.voucher.do(effect)

    systems.voucher.acts.append(turned_round)
    assert shop.submit().order.state is OrderState.COMPENSATING
    assert {task.kind for task in shop.tasks()} == {"compensate"}
    shop.let_late_windows_pass()
    shop.work_until_quiet()
    assert systems.held == [0, 0, 0]


def test_invariant_7_a_placements_keys_are_its_own(shop: Shop, systems: OneOfEach) -> None:
    systems.voucher.acts.append(does_it_then(systems.voucher))
    order = shop.submit().order
    first = {step.key for step in shop.steps(order.id)}
    shop.work_until_quiet()
    assert shop.retry(order.id).result is Result.CONFIRMED
    second = {step.key for step in shop.steps(order.id)} - first
    assert len(first) == len(second) == 2
    # Nothing that the earlier placement is still told touches the later one.
    for task in shop.tasks(kind="compensate"):
        assert task.key in first
        assert run_task(task.id, shop.settings) is None
    assert [systems.stock.in_place[key] + systems.voucher.in_place[key] for key in sorted(second)] == [1, 1]


def test_invariant_8_history_is_only_added_to(shop: Shop, systems: OneOfEach) -> None:
    rewritten: list[str] = []

    def watch(statement: str) -> None:
        # Anywhere in it: one statement may change several tables.
        if re.search(r"\b(UPDATE|DELETE FROM) (attempts|audit_entries)\b", statement, re.IGNORECASE):
            rewritten.append(statement)

    systems.bank.acts.extend([answers(Outcome.UNKNOWN), answers(Outcome.DONE, pending=True)])
    with watching(statement=watch):
        order = shop.submit().order
        for _ in range(3):
            shop.make_due()
            shop.work()
        before = [(one.id, one.outcome, one.exchanges) for one in shop.attempts()]
        shop.cancel(order.id)
        shop.work_until_quiet()
    assert [(one.id, one.outcome, one.exchanges) for one in shop.attempts()][: len(before)] == before
    assert rewritten == []
    for task in shop.tasks():
        assert [one.number for one in shop.attempts(task_id=task.id)] == list(range(1, task.claims + 1))


def waits_for_nobody(session: Session) -> list[Any]:
    """Return what is neither leased, nor due, nor in staff's hands, and yet not at its end."""
    leased = select(Submission.order_id).where(Submission.lease_until.is_not(None))
    placing = select(Order.id).where(Order.state == OrderState.PLACING.value, Order.id.not_in(leased))
    open_states = [TaskState.WAITING.value, TaskState.RUNNING.value, TaskState.FAILED.value, TaskState.CANCELLED.value]
    undone_by = select(Task.order_id).where(Task.kind == "compensate", Task.state.in_(open_states))
    undoing = select(Order.id).where(Order.state == OrderState.COMPENSATING.value, Order.id.not_in(undone_by))
    waiting = select(Task.id).where(
        Task.state == TaskState.WAITING.value, Task.due_at.is_(None) | Task.publish_at.is_(None)
    )
    running = select(Task.id).where(Task.state == TaskState.RUNNING.value, Task.lease_until.is_(None))
    return [row for query in (placing, undoing, waiting, running) for row in session.execute(query)]


@pytest.mark.parametrize("seed", range(4))
def test_invariant_9_nothing_waits_for_ever(shop: Shop, systems: OneOfEach, seed: int) -> None:
    rng = random.Random(seed)
    for _step in range(25):
        system = rng.choice(systems.all)
        ways = [answers(Outcome.UNKNOWN), answers(Outcome.NOT_SENT), dies, does_it_then(system)]
        system.acts.append(rng.choice([*ways, answers(Outcome.REFUSED, "no", repeatable=False)]))
        deed = rng.choice([shop.submit, shop.work, shop.make_due, shop.let_submission_leases_lapse])
        try:
            deed()
        except Killed:
            shop.let_task_leases_lapse()
        with reading() as session:
            assert waits_for_nobody(session) == []
    for system in systems.all:
        system.acts.clear()
    shop.let_submission_leases_lapse()
    shop.let_task_leases_lapse()
    recover(shop.settings)
    shop.let_late_windows_pass()
    shop.work_until_quiet()
    with reading() as session:
        assert waits_for_nobody(session) == []
    assert systems.held[:2] == [shop.orders_in(OrderState.CONFIRMED)] * 2


@pytest.mark.parametrize("hours", [-2, 2])
def test_invariant_10_the_databases_clock_is_the_only_one(
    shop: Shop, systems: OneOfEach, hours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds, nanoseconds = time.time, time.time_ns
    monkeypatch.setattr(time, "time", lambda: seconds() + hours * 3600)
    monkeypatch.setattr(time, "time_ns", lambda: nanoseconds() + hours * 3600 * 10**9)
    systems.bank.acts.append(answers(Outcome.NOT_SENT, retry_after_seconds=60))
    order = shop.submit().order
    assert recover(shop.settings).placements == 0
    shop.work()
    due = shop.seconds_until_due(shop.task(kind="settle").id)
    assert due is not None
    assert 50 < due <= 60
    assert abs((shop.view(order.id).created_at.timestamp()) - seconds()) < 30
    shop.make_due()
    shop.work_until_quiet()
    assert systems.held == [1, 1, 1]


def test_invariant_10_no_service_reads_a_clock_of_its_own() -> None:
    folder = Path(orderapp.services.__file__).parent
    clocks = {"datetime.now", "datetime.utcnow", "dt.datetime.now", "dt.datetime.utcnow", "time.time", "time.time_ns"}
    readers = {
        path.name: ast.unparse(node.func)
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in clocks
    }
    assert readers == {}
