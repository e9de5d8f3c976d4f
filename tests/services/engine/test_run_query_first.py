"""Running a forward task of a system that can only be asked: never twice, never on a guess."""

from __future__ import annotations

import pytest

from orderapp.domain.outcome import Finding, Outcome
from orderapp.domain.retry import Guarantee
from orderapp.domain.states import OrderState, TaskState
from orderapp.models import Task
from orderapp.services.backoffice import task_actions
from orderapp.services.backoffice.risks import Risk
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.services.engine.recovery import recover
from orderapp.services.engine.run_task import run_task
from orderapp.systems.base import Part
from tests.services.scripted import Killed, Scripted, answers, dies, does_it_then
from tests.services.shop import Shop


def run(shop: Shop) -> TaskState | None:
    """Run the only settle task, now."""
    shop.make_due()
    return run_task(shop.task(kind="settle").id, shop.settings)


@pytest.fixture
def ledger() -> Scripted:
    return Scripted("ledger", Part.SETTLE, Guarantee.QUERY_FIRST, late_window_seconds=60, attempts=9)


@pytest.fixture
def shop2(empty_shop: Shop, ledger: Scripted) -> Shop:
    return empty_shop.with_systems(Scripted("stock"), ledger)


def taken_away(shop: Shop, task: Task) -> list[tuple[int, str]]:
    """Return number and verb of the attempts that were taken from their workers."""
    return [(one.number, one.verb) for one in shop.attempts(task_id=task.id, code="taken_away")]


def test_the_first_run_need_not_ask(shop2: Shop, ledger: Scripted) -> None:
    shop2.submit()
    assert run(shop2) is TaskState.DONE
    assert ledger.verbs() == ["act"]


def test_after_an_unknown_it_is_asked_and_what_is_in_place_is_not_repeated(shop2: Shop, ledger: Scripted) -> None:
    ledger.acts.append(does_it_then(ledger))
    shop2.submit()
    assert [run(shop2), run(shop2)] == [TaskState.WAITING, TaskState.DONE]
    assert (ledger.verbs(), ledger.ever_done.total()) == (["act", "ask"], 1)


@pytest.mark.parametrize("worker_dies", [True, False])
def test_inside_the_late_window_not_there_is_waited_for_without_using_up_attempts(
    shop2: Shop, ledger: Scripted, worker_dies: bool
) -> None:
    ledger.acts.append(dies if worker_dies else answers(Outcome.UNKNOWN))
    shop2.submit()
    if worker_dies:
        with pytest.raises(Killed):
            run(shop2)
        shop2.let_task_leases_lapse()
        recover(shop2.settings)
    else:
        run(shop2)
    assert [run(shop2), run(shop2)] == [TaskState.WAITING, TaskState.WAITING]
    assert ledger.verbs() == ["act", "ask", "ask"]
    waiting = shop2.task(kind="settle")
    assert (waiting.attempts, waiting.last_code) == (1, "late_window")
    assert 50 < (shop2.seconds_until_due(waiting.id) or 0) <= 60

    shop2.let_late_windows_pass()
    assert run(shop2) is TaskState.DONE
    assert (ledger.verbs()[-2:], ledger.ever_done.total()) == (["ask", "act"], 1)


@pytest.mark.parametrize(
    ("finding", "becomes"), [(Finding.PENDING, TaskState.WAITING), (Finding.UNDONE, TaskState.FAILED)]
)
def test_what_is_neither_there_nor_absent_is_not_taken_for_done(
    shop2: Shop, ledger: Scripted, finding: Finding, becomes: TaskState
) -> None:
    ledger.acts.append(answers(Outcome.UNKNOWN))
    shop2.submit()
    run(shop2)
    ledger.findings.append(finding)
    assert run(shop2) is becomes
    assert ledger.verbs() == ["act", "ask"]


def test_what_is_pending_is_undone_once_it_is_there(shop2: Shop, ledger: Scripted) -> None:
    ledger.acts.append(answers(Outcome.DONE, pending=True))
    order = shop2.submit().order
    shop2.work()
    shop2.cancel(order.id)
    shop2.let_late_windows_pass()
    ledger.findings.append(Finding.PENDING)
    shop2.work()
    task = shop2.task(kind="compensate", system="ledger")
    assert (task.state, task.attempts) == ("waiting", 0)
    ledger.in_place[task.key] += 1
    shop2.make_due()
    shop2.work_until_quiet()
    assert (shop2.the_order().state, ledger.held) == (OrderState.CANCELLED, 0)


def test_what_staff_took_from_a_worker_and_requeue_is_asked_for_first(shop2: Shop, ledger: Scripted) -> None:
    ledger.acts.append(dies)
    shop2.submit()
    with pytest.raises(Killed):
        run(shop2)
    task = shop2.task(kind="settle")
    task_actions.cancel([task.id], COMMAND_LINE, "its worker hangs")
    assert taken_away(shop2, task) == [(1, "act")]
    task_actions.requeue([task.id], COMMAND_LINE, "try it again", shop2.settings, Risk.TWICE)
    # What the worker sent may still appear.
    assert [run(shop2), ledger.verbs()] == [TaskState.WAITING, ["act", "ask"]]
    ledger.in_place[task.key] += 1
    shop2.let_late_windows_pass()
    assert [run(shop2), ledger.verbs()] == [TaskState.DONE, ["act", "ask", "ask"]]


def test_an_undo_that_was_taken_from_its_worker_is_told_as_one(shop2: Shop, ledger: Scripted) -> None:
    order = shop2.submit().order
    shop2.work_until_quiet()
    shop2.cancel(order.id)
    shop2.let_late_windows_pass()
    task = shop2.task(kind="compensate", system="ledger")
    ledger.undos.append(dies)
    with pytest.raises(Killed):
        run_task(task.id, shop2.settings)
    task_actions.cancel([task.id], COMMAND_LINE, "its worker hangs")
    assert taken_away(shop2, task) == [(1, "undo")]


def test_what_is_accepted_and_finishes_later_is_asked_for_and_not_sent_again(shop2: Shop, ledger: Scripted) -> None:
    ledger.acts.append(does_it_then(ledger, Outcome.DONE, pending=True))
    ledger.findings.append(Finding.PENDING)
    shop2.submit()
    assert [run(shop2), run(shop2), run(shop2)] == [TaskState.WAITING, TaskState.WAITING, TaskState.DONE]
    assert (ledger.verbs(), ledger.ever_done.total()) == (["act", "ask", "ask"], 1)
