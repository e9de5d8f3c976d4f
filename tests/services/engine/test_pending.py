"""What was accepted and isn't finished: asked about less and less often, and one thing to read about."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from sqlalchemy import update

from orderapp.admin.histories import attempt_entries, repeat_entries
from orderapp.domain.outcome import Finding, Outcome
from orderapp.domain.retry import Guarantee
from orderapp.domain.states import OrderState, TaskState
from orderapp.errors import DatabaseUnavailable
from orderapp.models import Task
from orderapp.services.backoffice import task_actions
from orderapp.services.backoffice.case_files import find_task_file
from orderapp.services.backoffice.risks import Risk
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.services.db.transactions import writing
from orderapp.services.engine import run_task as engine_run
from orderapp.services.engine.claim import Claim, claim
from orderapp.services.engine.ended_run import Ran
from orderapp.services.engine.recovery import recover
from orderapp.services.engine.run_task import make_run, record_runs, run_task
from orderapp.systems.base import Part
from tests.sandbox.running import RunningSandbox
from tests.services.scripted import Scripted, answers, does_it_then
from tests.services.shop import Shop

PENDING = answers(Outcome.DONE, pending=True)


@pytest.fixture
def bank() -> Scripted:
    return Scripted("bank", Part.SETTLE, attempts=3)


@pytest.fixture
def shop2(empty_shop: Shop, bank: Scripted) -> Shop:
    return empty_shop.with_systems(Scripted("stock"), bank)


@pytest.fixture
def task(shop2: Shop) -> Task:
    shop2.submit()
    return shop2.task(kind="settle")


def run(shop: Shop, task: Task, times: int = 1) -> TaskState | None:
    state = None
    for _ in range(times):
        shop.make_due()
        state = run_task(task.id, shop.settings)
    return state


def claimed(shop: Shop, task: Task) -> Claim:
    shop.make_due()
    held = claim(task.id, shop.settings)
    assert held is not None
    return held


def due_in_seconds(shop: Shop, task: Task) -> float:
    found = shop.seconds_until_due(task.id)
    assert found is not None
    return found


def rows(shop: Shop, task: Task) -> list[tuple[int, str, int]]:
    """Return of each attempt its number, its outcome, and how often the answer before it had come again."""
    return [(one.number, one.outcome, one.repeats) for one in shop.attempts(task_id=task.id)]


def titles(task: Task) -> list[str]:
    """Return what the task's page tells, newest first."""
    file = find_task_file(task.id)
    return [entry.title for entry in [*repeat_entries([file.task]), *attempt_entries(file.attempts)]]


def test_the_pause_grows_up_to_an_hour(shop2: Shop, bank: Scripted, task: Task) -> None:
    bank.acts.extend([PENDING] * 30)
    pauses = []
    for _ in range(30):
        run(shop2, task)
        pauses.append(due_in_seconds(shop2, task))
    assert 0 < pauses[0] <= 3
    assert 15 < pauses[7] <= 3 * 1.5**7
    assert all(1700 < pause <= 3600 for pause in pauses[20:])


def test_a_task_that_staff_requeue_is_asked_for_soon_again(shop2: Shop, bank: Scripted, task: Task) -> None:
    bank.acts.extend([PENDING] * 21)
    run(shop2, task, 20)
    task_actions.requeue([task.id], COMMAND_LINE, "the bank says it is done", shop2.settings)
    assert run_task(task.id, shop2.settings) is TaskState.WAITING
    assert 0 < due_in_seconds(shop2, task) <= 3


def test_equal_answers_are_one_row_and_a_count(shop2: Shop, bank: Scripted, task: Task) -> None:
    bank.acts.extend([PENDING] * 40)
    run(shop2, task, 40)
    assert rows(shop2, task) == [(1, "done", 0)]
    waiting = shop2.task(kind="settle")
    assert (waiting.repeats, waiting.attempts, waiting.claims) == (39, 0, 40)
    assert waiting.repeated_at is not None
    assert titles(task) == ["bank answered the same 39 more times", "Have bank do its part"]


def test_the_answer_that_ends_the_run_says_how_long_it_was(shop2: Shop, bank: Scripted, task: Task) -> None:
    bank.acts.extend([PENDING] * 5)
    run(shop2, task, 5)
    last_at = shop2.task(kind="settle").repeated_at
    assert run(shop2, task) is TaskState.DONE
    assert rows(shop2, task) == [(1, "done", 0), (6, "done", 4)]
    first, end = shop2.attempts(task_id=task.id)
    assert first.started_at < end.repeated_at <= end.started_at
    done = shop2.task(kind="settle")
    assert (end.repeated_at, done.repeats, done.repeated_at) == (last_at, 0, None)
    assert titles(task) == ["Have bank do its part", "bank answered the same 4 more times", "Have bank do its part"]


def test_the_end_of_a_task_s_run_ends_no_other_s(shop2: Shop, bank: Scripted, task: Task) -> None:
    other = shop2.tasks(shop2.submit().order.id, kind="settle")[0]
    bank.acts.extend([PENDING] * 6)
    run(shop2, task, 3)
    run(shop2, other, 3)
    assert run(shop2, task) is TaskState.DONE
    assert [one.repeats for one in shop2.tasks(kind="settle")] == [0, 2]


def test_an_answer_between_begins_a_new_run(shop2: Shop, bank: Scripted, task: Task) -> None:
    bank.acts.extend([PENDING, PENDING, answers(Outcome.UNKNOWN, "http_502"), PENDING, PENDING, PENDING])
    run(shop2, task, 6)
    assert rows(shop2, task) == [(1, "done", 0), (3, "unknown", 1), (4, "done", 0)]
    assert shop2.task(kind="settle").repeats == 2


def test_a_worker_that_dies_ends_the_run(shop2: Shop, bank: Scripted, task: Task) -> None:
    bank.acts.extend([PENDING] * 3)
    run(shop2, task, 3)
    claimed(shop2, task)
    shop2.let_task_leases_lapse()
    recover(shop2.settings)
    assert rows(shop2, task) == [(1, "done", 0), (4, "unknown", 2)]
    assert shop2.task(kind="settle").repeats == 0


def test_a_cancelled_order_s_settlement_keeps_its_count(shop2: Shop, bank: Scripted, task: Task) -> None:
    bank.acts.extend([PENDING] * 3)
    run(shop2, task, 3)
    shop2.cancel(task.order_id)
    shop2.work_until_quiet()
    assert titles(task)[0] == "bank answered the same 2 more times"
    assert shop2.view(task.order_id).state is OrderState.CANCELLED


def test_of_two_that_end_the_run_one_says_how_long_it_was(shop2: Shop, bank: Scripted, task: Task) -> None:
    """The task is taken from its worker, which lives and writes its own attempt too."""
    bank.acts.extend([PENDING] * 3)
    run(shop2, task, 3)
    held = claimed(shop2, task)
    shop2.cancel(task.order_id)
    record_runs([make_run(held, shop2.settings)])
    assert rows(shop2, task) == [(1, "done", 0), (4, "unknown", 2), (4, "done", 0)]


def test_an_equal_answer_that_came_too_late_has_its_row(shop2: Shop, bank: Scripted, task: Task) -> None:
    bank.acts.extend([PENDING] * 3)
    run(shop2, task, 2)
    held = claimed(shop2, task)
    made = make_run(held, shop2.settings)
    shop2.let_task_leases_lapse()
    recover(shop2.settings)
    assert record_runs([made]) == {task.id: None}
    assert [number for number, _, _ in rows(shop2, task)] == [1, 3, 3]


def test_what_staff_have_cleared_is_proven_anew(shop2: Shop, bank: Scripted, task: Task) -> None:
    """Else nothing would show any more that the effect was accepted after they had said it hadn't happened."""
    bank.acts.append(PENDING)
    run(shop2, task)
    with writing() as session:
        session.execute(update(Task).where(Task.id == task.id).values(cleared_claims=1))
    bank.acts.append(PENDING)
    run(shop2, task)
    assert rows(shop2, task) == [(1, "done", 0), (2, "done", 0)]


def test_an_answer_that_repeats_is_counted_once_though_the_commit_s_answer_was_lost(
    shop2: Shop, bank: Scripted, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank.acts.extend([PENDING] * 2)
    run(shop2, task)
    record: Callable[..., dict[int, TaskState | None]] = engine_run._record_runs
    tried: list[int] = []

    def lose_the_answer(runs: Sequence[Ran]) -> dict[int, TaskState | None]:
        recorded = record(runs)
        tried.append(len(runs))
        if len(tried) == 1:
            raise DatabaseUnavailable("lost on the way")
        return recorded

    monkeypatch.setattr(engine_run, "_record_runs", lose_the_answer)
    assert run(shop2, task) is TaskState.WAITING
    assert tried == [1, 0]
    assert shop2.task(kind="settle").repeats == 1


def test_a_system_that_is_asked_first_is_counted_as_well(empty_shop: Shop) -> None:
    ledger = Scripted("ledger", Part.SETTLE, Guarantee.QUERY_FIRST)
    shop = empty_shop.with_systems(Scripted("stock"), ledger)
    shop.submit()
    task = shop.task(kind="settle")
    ledger.acts.append(does_it_then(ledger, Outcome.DONE, pending=True))
    ledger.findings.extend([Finding.PENDING] * 4)
    run(shop, task, 6)
    attempts = [(one.verb, one.repeats) for one in shop.attempts(task_id=task.id)]
    assert attempts == [("act", 0), ("ask", 0), ("ask", 3)]
    assert shop.task(kind="settle").state == "done"


def test_a_settlement_that_stays_pending_for_days(shop: Shop, sandbox: RunningSandbox) -> None:
    sandbox.set("options", "settlement_seconds", 600.0)
    placed = shop.submit()
    shop.work()
    hours, asked = 0.0, 1
    while hours < 72:
        [waiting] = shop.tasks(placed.order.id, kind="settle")
        pause_seconds = due_in_seconds(shop, waiting)
        shop.let_time_pass(pause_seconds + 0.01)
        hours += pause_seconds / 3600
        asked += shop.work() > 0
    [waiting] = shop.tasks(placed.order.id, kind="settle")
    assert (waiting.state, waiting.attempts) == ("waiting", 0)
    assert 80 < asked < 170
    assert waiting.claims == asked
    assert len(shop.attempts(task_id=waiting.id)) == 1


def test_what_an_unsafe_system_has_accepted_is_not_done_again(empty_shop: Shop) -> None:
    texts = Scripted("texts", Part.NOTIFY, Guarantee.UNSAFE)
    shop = empty_shop.with_systems(Scripted("stock"), texts)
    texts.acts.append(answers(Outcome.DONE, "", pending=True))
    shop.submit()
    shop.work()
    shop.make_due()
    shop.work()
    task = shop.task(system="texts")
    assert (task.state, task.last_code, texts.verbs()) == ("failed", "accepted_before", ["act"])
    task_actions.requeue([task.id], COMMAND_LINE, "it never came", shop.settings, Risk.TWICE)
    shop.work()
    assert (shop.task(system="texts").state, texts.verbs()) == ("done", ["act", "act"])
