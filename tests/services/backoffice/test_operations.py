"""Operations: each task once and none forgotten, whoever pauses, stops, dies, or starts the same."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from contextlib import nullcontext, suppress

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from orderapp.domain.outcome import Outcome
from orderapp.domain.states import ItemState, TaskState
from orderapp.errors import InvalidRequest, WrongState
from orderapp.extensions import db
from orderapp.models import AuditEntry, Operation, OperationItem, Task, holds
from orderapp.services.backoffice import operations, task_actions
from orderapp.services.backoffice.operation_drafts import NOT_TAKEN, draft
from orderapp.services.backoffice.operation_job import carry_out, pause_after
from orderapp.services.backoffice.operation_outcomes import in_words
from orderapp.services.db.audit import Actor
from orderapp.services.db.transactions import reading, writing
from orderapp.services.engine.outbox import due_hints
from orderapp.services.engine.run_job import run_job
from orderapp.systems.jobs import enqueue, job
from orderapp.systems.limits import Limits
from orderapp.systems.runs import GivenUp
from tests.services.scripted import OneOfEach, answers
from tests.services.shop import Shop

ANN, BOB = Actor(None, "ann@example.com"), Actor(None, "bob@example.com")
FAILED = select(Task.id).where(holds(Task.state, TaskState.FAILED.value))


@pytest.fixture
def bank_shop(empty_shop: Shop, systems: OneOfEach) -> Shop:
    """A shop whose bank has refused the payments of six orders."""
    shop = empty_shop.with_systems(*systems.all).with_settings(operation_tasks_per_second=1000).with_jobs(carry_out)
    for _ in range(6):
        systems.bank.acts.append(answers(Outcome.REFUSED, "no_credit"))
        shop.submit()
    shop.work_until_quiet_but_for_staff()
    assert len(shop.tasks(state="failed")) == 6
    return shop


def drafted(shop: Shop, act: str = "requeue", ids: list[int] | None = None) -> int:
    chosen = FAILED if ids is None else select(Task.id).where(Task.id.in_(ids))
    return draft(act, chosen, {"state": "failed"}, ANN, shop.settings)


def states(operation_id: int) -> list[str]:
    with reading() as session:
        of_it = select(OperationItem.state).where(OperationItem.operation_id == operation_id)
        return list(session.scalars(of_it.order_by(OperationItem.id)))


def read(operation_id: int) -> Operation:
    with reading() as session:
        return session.get_one(Operation, operation_id)


def audited(act: str) -> list[AuditEntry]:
    with reading() as session:
        return list(session.scalars(select(AuditEntry).where(AuditEntry.act == act).order_by(AuditEntry.id)))


def run_until(shop: Shop, operation_id: int, acts: int, then: Callable[[], object] = lambda: None) -> None:
    """Run the operation's job until it has acted so often, and do something right then, within its run."""

    def may_go_on() -> bool:
        if states(operation_id).count("planned") > 6 - acts:
            return True
        then()
        return False

    task_id = read(operation_id).task_id
    assert task_id is not None
    run_job(task_id, shop.settings, may_go_on)


def requeued(shop: Shop) -> list[int]:
    """Return how often each task was requeued."""
    subjects = [entry.subject for entry in audited("task.requeue")]
    return [subjects.count(f"task {task.id}") for task in shop.tasks(system="bank")]


def test_it_ends_with_what_became_of_each_task(bank_shop: Shop, systems: OneOfEach) -> None:
    shop = bank_shop
    systems.bank.acts.append(answers(Outcome.REFUSED, "no_credit"))
    operation_id = drafted(shop)
    assert states(operation_id) == ["planned"] * 6
    operations.start(operation_id, BOB, "the bank is back")
    shop.work_until_quiet_but_for_staff()
    ended = read(operation_id)
    assert (ended.state, ended.actor, ended.reason) == ("ended", BOB.name, "the bank is back")
    assert json.loads(ended.counts or "") == {"done": 5, "failed": 1}
    assert sorted(states(operation_id)) == ["done"] * 5 + ["failed"]
    assert requeued(shop) == [1] * 6
    (entry,) = audited("operation.start")
    assert (entry.subject, entry.actor, entry.refused) == (f"operation {operation_id}", BOB.name, None)
    assert {json.loads(one.details)["operation"] for one in audited("task.requeue")} == {operation_id}


def test_what_may_happen_twice_or_cannot_be_done_is_left_out_with_the_reason(
    bank_shop: Shop, systems: OneOfEach
) -> None:
    shop = bank_shop
    systems.texts.acts.append(answers(Outcome.UNKNOWN, "timeout"))
    shop.submit()
    shop.work_until_quiet_but_for_staff()
    doubtful, done = shop.task(system="texts", state="failed").id, shop.tasks(system="bank", state="done")[0].id
    operation_id = drafted(shop, ids=[task.id for task in shop.tasks(system="bank")] + [doubtful])
    with reading() as session:
        items = session.scalars(select(OperationItem).where(OperationItem.state == "left_out")).all()
    said = {item.task_id: item.said for item in items}
    assert said.keys() == {doubtful, done}
    assert "a second time" in (said[doubtful] or "")
    operations.start(operation_id, ANN, "all")
    shop.work_until_quiet_but_for_staff()
    assert shop.tasks(id=doubtful)[0].state == "failed"  # type: ignore[arg-type]
    assert json.loads(read(operation_id).counts or "") == {"done": 6, "left_out": 2}


def test_a_run_that_ends_half_way_is_followed_by_one_that_goes_on_there(bank_shop: Shop) -> None:
    operation_id = drafted(bank_shop)
    operations.start(operation_id, ANN, "all")
    run_until(bank_shop, operation_id, acts=2)
    assert states(operation_id).count("planned") == 4
    bank_shop.work_until_quiet_but_for_staff()
    assert json.loads(read(operation_id).counts or "") == {"done": 6}
    assert requeued(bank_shop) == [1] * 6


def test_a_run_whose_operation_has_gone_to_another_one_does_nothing_more(bank_shop: Shop) -> None:
    operation_id = drafted(bank_shop)
    operations.start(operation_id, ANN, "all")
    first = read(operation_id).task_id
    assert first is not None

    def may_go_on() -> bool:
        if states(operation_id).count("planned") == 5 and read(operation_id).task_id == first:
            operations.pause(operation_id, ANN, "wait")
            operations.resume(operation_id, ANN, "go on")
        return True

    run_job(first, bank_shop.settings, may_go_on)
    assert states(operation_id).count("planned") == 5
    assert {task.id: task.state for task in bank_shop.tasks(kind="job")}[first] == "done"
    bank_shop.work_until_quiet_but_for_staff()
    assert requeued(bank_shop) == [1] * 6


def test_while_it_is_paused_nothing_more_is_done_and_then_it_goes_on(bank_shop: Shop) -> None:
    operation_id = drafted(bank_shop)
    operations.start(operation_id, ANN, "all")

    def may_go_on() -> bool:
        if states(operation_id).count("planned") == 4 and read(operation_id).state == "running":
            operations.pause(operation_id, BOB, "the bank asks")
        return True

    run_job(read(operation_id).task_id or 0, bank_shop.settings, may_go_on)
    bank_shop.work_until_quiet_but_for_staff()
    assert sorted(states(operation_id)) == ["done"] * 2 + ["planned"] * 4
    with pytest.raises(WrongState):
        operations.pause(operation_id, BOB, "once more")
    operations.resume(operation_id, BOB, "they are ready")
    bank_shop.work_until_quiet_but_for_staff()
    assert states(operation_id) == ["done"] * 6
    assert read(operation_id).state == "ended"


@pytest.mark.parametrize("paused", [False, True])
def test_what_is_stopped_does_nothing_more_and_ends_with_what_became_of_the_rest(bank_shop: Shop, paused: bool) -> None:
    operation_id = drafted(bank_shop)
    operations.start(operation_id, ANN, "all")
    run_until(bank_shop, operation_id, 2, (lambda: operations.pause(operation_id, BOB, "wait")) if paused else int)
    if paused:
        bank_shop.work_until_quiet_but_for_staff()  # no run has it any more
    operations.stop(operation_id, BOB, "wrong ones")
    bank_shop.work_until_quiet_but_for_staff()
    ended = read(operation_id)
    assert (ended.state, ended.stopped_at is not None) == ("ended", True)
    assert json.loads(ended.counts or "") == {"done": 2, "stopped": 4}
    assert len(bank_shop.tasks(system="bank", state="failed")) == 4
    with pytest.raises(WrongState):
        operations.stop(operation_id, BOB, "again")


def test_two_that_start_the_same_do_it_once_and_both_are_told(bank_shop: Shop) -> None:
    first, second = drafted(bank_shop), drafted(bank_shop)
    operations.start(first, ANN, "all")
    with pytest.raises(operations.UnderWay, match="ann@example.com started the same") as told:
        operations.start(second, BOB, "all")
    assert told.value.operation_id == first
    with pytest.raises(WrongState, match="has started operation"):
        operations.start(first, BOB, "all")
    told_to_ann = [entry for entry in audited("operation.start") if entry.refused and entry.actor == BOB.name]
    assert f"operation {first}" in {entry.subject for entry in told_to_ann}
    bank_shop.work_until_quiet_but_for_staff()
    assert requeued(bank_shop) == [1] * 6
    assert read(second).state == "draft"


def test_of_two_that_overlap_the_second_leaves_the_common_ones_to_the_first(bank_shop: Shop) -> None:
    tasks = [task.id for task in bank_shop.tasks(system="bank")]
    first, second = drafted(bank_shop, ids=tasks[:4]), drafted(bank_shop, ids=tasks)
    operations.start(first, ANN, "four")
    operations.start(second, BOB, "all")
    assert sorted(states(second)) == ["left_out"] * 4 + ["planned"] * 2
    bank_shop.work_until_quiet_but_for_staff()
    assert requeued(bank_shop) == [1] * 6


def test_what_changed_since_it_was_shown_is_refused_alone(bank_shop: Shop) -> None:
    tasks = [task.id for task in bank_shop.tasks(system="bank")]
    operation_id = drafted(bank_shop)
    task_actions.cancel(tasks[:1], BOB, "paid by hand")
    operations.start(operation_id, ANN, "all")
    bank_shop.work_until_quiet_but_for_staff()
    assert states(operation_id) == ["refused"] + ["done"] * 5
    assert bank_shop.tasks(id=tasks[0])[0].state == "cancelled"  # type: ignore[arg-type]


def test_a_task_whose_act_raises_what_nobody_foresaw_is_refused_alone(bank_shop: Shop, systems: OneOfEach) -> None:
    operation_id, good = drafted(bank_shop), systems.bank.backoff

    class Broken:
        @property
        def attempts(self) -> int:
            systems.bank.backoff = good
            raise ZeroDivisionError

    vars(systems.bank)["backoff"] = Broken()
    operations.start(operation_id, ANN, "all")
    bank_shop.work_until_quiet_but_for_staff()
    assert states(operation_id) == ["refused"] + ["done"] * 5
    with reading() as session:
        said = session.scalars(select(OperationItem.said).where(holds(OperationItem.state, "refused"))).one()
    assert said is not None
    assert "because of an unexpected error (ZeroDivisionError)" in said


def test_a_job_that_breaks_the_transaction_in_which_its_task_is_given_up_is_refused_alone(bank_shop: Shop) -> None:
    def break_it(session: Session, given_up: GivenUp) -> None:
        how = given_up.arguments["how"]
        if how == "later":  # the session hasn't written it yet when we return
            session.get_one(Task, given_up.task_id).attempts = -1
        elif how != "not":
            with suppress(IntegrityError) if how == "swallows" else nullcontext():
                session.execute(update(Task).values(attempts=-1))

    sick = job("sick-job", when_given_up=break_it)(lambda _run: None)
    shop = bank_shop.with_jobs(carry_out, sick)
    with writing() as session:
        tomorrow = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
        for how in ("raises", "swallows", "later", "not"):
            enqueue(sick, session, how=how, due_at=tomorrow)
    operation_id = drafted(shop, "cancel", [task.id for task in shop.tasks(system="sick-job")])
    operations.start(operation_id, ANN, "it is sick")
    shop.work_until_quiet_but_for_staff()
    on_sqlite = db.engine.dialect.name == "sqlite"  # where a failed statement doesn't end the transaction
    assert states(operation_id) == ["refused", "given_up" if on_sqlite else "refused", "refused", "given_up"]


def test_a_task_that_is_tried_for_hours_is_not_waited_for(bank_shop: Shop, systems: OneOfEach) -> None:
    systems.bank.acts.extend([answers(Outcome.NOT_SENT, "busy", retry_after_seconds=3600.0)] * 6)
    operation_id = drafted(bank_shop)
    operations.start(operation_id, ANN, "all")
    for _ in range(20):
        bank_shop.work()
        bank_shop.let_time_pass(10)
    assert json.loads(read(operation_id).counts or "") == {"open": 6}


def test_it_is_paused_if_staff_give_up_the_task_that_works_on_it(bank_shop: Shop) -> None:
    operation_id = drafted(bank_shop)
    operations.start(operation_id, ANN, "all")
    run_until(bank_shop, operation_id, acts=2)
    task_actions.cancel([read(operation_id).task_id or 0], BOB, "what is this?")
    assert read(operation_id).state == "paused"
    operations.resume(operation_id, ANN, "go on")
    bank_shop.work_until_quiet_but_for_staff()
    assert requeued(bank_shop) == [1] * 6


def test_giving_up_is_an_operation_too(bank_shop: Shop) -> None:
    operation_id = drafted(bank_shop, "cancel")
    operations.start(operation_id, ANN, "test orders")
    bank_shop.work_until_quiet_but_for_staff()
    assert states(operation_id) == ["given_up"] * 6


@pytest.mark.parametrize(("most", "is_told"), [(4, True), (6, False), (7, False)])
def test_it_is_told_that_more_tasks_match_than_one_operation_takes(bank_shop: Shop, most: int, is_told: bool) -> None:
    operation_id = draft("requeue", FAILED, {"state": "failed"}, ANN, bank_shop.settings, most)
    oldest_first = sorted(task.id for task in bank_shop.tasks(state="failed"))
    with reading() as session:
        its = session.scalars(select(OperationItem.task_id).where(OperationItem.operation_id == operation_id)).all()
    assert sorted(its) == oldest_first[:most]
    told = json.loads(read(operation_id).chosen).get(NOT_TAKEN, "")
    assert ("the oldest 4" in told) is is_told


def test_an_operation_needs_tasks_and_a_reason(bank_shop: Shop) -> None:
    with pytest.raises(InvalidRequest):
        drafted(bank_shop, ids=[4711])
    operation_id = drafted(bank_shop)
    with pytest.raises(InvalidRequest):
        operations.start(operation_id, ANN, " ")
    assert read(operation_id).state == "draft"
    assert due_hints(bank_shop.settings) == []


def test_it_is_never_faster_than_its_rate_nor_than_the_systems_limits(bank_shop: Shop, systems: OneOfEach) -> None:
    vars(systems.bank)["limits"] = Limits(rate_per_second=0.5)
    assert pause_after("bank", bank_shop.settings) == pytest.approx(1 / (0.9 * 0.5))
    assert pause_after("texts", bank_shop.settings) == 0.001


def test_what_became_of_the_tasks_is_said_in_words() -> None:
    assert in_words({ItemState.DONE: 38, ItemState.FAILED: 2, ItemState.PLANNED: 0}) == "38 done, 2 failed again"
