"""Jobs: tasks without an order, claimed, run, recorded and repeated as every other."""

from __future__ import annotations

import datetime as dt
import json
import threading
import time
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from orderapp.domain.states import TaskState
from orderapp.errors import LeaseLost
from orderapp.ext import GivenUp, Run, Snooze, enqueue, job
from orderapp.extensions import db
from orderapp.models import Product, SystemSwitch, Task, db_now
from orderapp.services.backoffice import task_actions
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.services.db.transactions import reading, writing
from orderapp.services.engine.batch import run_hint
from orderapp.services.engine.held_run import HeldRun
from orderapp.services.engine.recovery import recover
from orderapp.services.engine.run_job import run_job
from orderapp.systems.jobs import Job
from tests.services.shop import Shop

USED_SECONDS = 0.2


def enqueued(one: Job, **given: Any) -> int:
    with writing() as session:
        return enqueue(one, session, **given)


def counting(ran: list[Any], **declared: Any) -> Job:
    @job("count-things", **declared)
    def count(run: Run) -> dict[str, Any]:
        ran.append(run)
        return {"counted": len(ran)}

    return count


def test_a_job_runs_once_after_its_transaction_has_committed(empty_shop: Shop) -> None:
    ran: list[Run] = []
    shop = empty_shop.with_jobs(count := counting(ran))
    due = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
    with writing() as session:
        task_id = enqueue(count, session, key="first", due_at=due, day="2026-01-01", lines=[1, {"a": None}])
        assert shop.due() == [], "it isn't committed"
    assert (shop.work(), shop.work()) == (1, 0)
    [run] = ran
    assert run.arguments == {"day": "2026-01-01", "lines": [1, {"a": None}]}
    assert (run.key, run.attempt, run.task_id, run.scheduled_at) == ("first", 1, task_id, None)
    task = shop.task(kind="job")
    assert (task.state, task.attempts, task.order_id, task.due_at) == ("done", 1, None, None)
    [attempt] = shop.attempts(task_id=task_id)
    assert (attempt.verb, attempt.outcome, attempt.message) == ("run", "done", '{"counted": 1}')
    [kept] = json.loads(attempt.exchanges)
    assert (json.loads(kept["request"])["day"], json.loads(kept["response"])) == ("2026-01-01", {"counted": 1})


def test_nothing_runs_if_the_transaction_is_not_committed(empty_shop: Shop) -> None:
    shop = empty_shop.with_jobs(count := counting([]))
    with writing() as session:
        enqueue(count, session)
        session.rollback()
    assert shop.work() == 0
    assert shop.tasks() == []


def test_the_same_key_is_one_task_which_stays_as_it_is(empty_shop: Shop) -> None:
    shop = empty_shop.with_jobs(count := counting([]))
    first = enqueued(count, key="2026-01-01", day=1)
    assert enqueued(count, key="2026-01-01", day=2) == first
    assert enqueued(count, key="2026-01-02") != first
    assert enqueued(count) != enqueued(count)
    [task] = shop.tasks(key="2026-01-01")
    assert task.arguments == '{"day": 1}'


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"day": dt.date(2026, 1, 1)}, "argument day: date isn't kept by JSON"),
        ({"day": (1, 2)}, "argument day: tuple isn't kept"),
        ({"day": {1: 2}}, "argument day: dict isn't kept"),
        ({"day": float("nan")}, "argument day: float isn't kept"),
        ({"day": "x" * 10_001}, "more than 10000"),
        ({"key": ""}, "its key has 1 to 64"),
        ({"key": "k" * 65}, "its key has 1 to 64"),
        ({"key": "ä"}, "its key has 1 to 64"),
        ({"key": 7}, "its key has 1 to 64"),
        ({"due_at": dt.datetime(2026, 1, 1)}, "due_at has no time zone"),  # noqa: DTZ001
        ({"due_at": dt.date(2026, 1, 1)}, "due_at: datetime.date.2026, 1, 1. is no datetime"),
        ({"due_at": dt.datetime.max.replace(tzinfo=dt.timezone(dt.timedelta(hours=-5)))}, "in the years 1970 to 9998"),
    ],
)
def test_what_cannot_be_kept_is_refused_when_it_is_enqueued(empty_shop: Shop, given: dict[str, Any], told: str) -> None:
    shop = empty_shop.with_jobs(count := counting([]))
    with pytest.raises(ValueError, match=told):
        enqueued(count, **given)
    assert shop.tasks() == []


def test_a_job_that_no_plugin_declares_is_refused(empty_shop: Shop) -> None:
    empty_shop.with_jobs()
    with pytest.raises(ValueError, match="no module that ORDERAPP_PLUGINS names declares it"):
        enqueued(counting([]))


def test_a_function_that_is_no_job_is_refused(empty_shop: Shop) -> None:
    empty_shop.with_jobs()
    with pytest.raises(ValueError, match="enqueued is no job; @job has to stand above it"):
        enqueued(enqueued)  # type: ignore[arg-type]


def test_a_session_that_commits_nothing_is_refused(empty_shop: Shop) -> None:
    shop = empty_shop.with_jobs(count := counting([]))
    with reading() as session, pytest.raises(ValueError, match="job count-things: its session commits nothing"):
        enqueue(count, session)
    with writing() as session:
        pass
    with pytest.raises(ValueError, match="its session commits nothing"):
        enqueue(count, session)
    with Session(db.engine) as own:
        enqueue(count, own)
        own.commit()
    assert shop.work() == 1


def test_a_transaction_inside_another_one_is_refused(empty_shop: Shop) -> None:
    ran: list[str] = []

    @job("write-twice")
    def write_twice(run: Run) -> None:
        with run.transaction() as session:
            for inner in (run.renew, lambda: run.transaction().__enter__()):
                with pytest.raises(RuntimeError, match="is open here already: use its session"):
                    inner()
            session.execute(update(Product).values(price_minor=1))
        with run.transaction():
            ran.append("one after the other")

    shop = empty_shop.with_jobs(write_twice)
    enqueued(write_twice)
    shop.work_until_quiet()
    assert ran == ["one after the other"]
    with reading() as session:
        assert set(session.scalars(select(Product.price_minor))) == {1}


def test_orders_of_a_naive_time_are_refused(empty_shop: Shop) -> None:
    @job("read-orders", attempts=1)
    def read_orders(run: Run) -> None:
        run.orders(dt.datetime(2026, 1, 1), dt.datetime.now(dt.UTC))  # noqa: DTZ001

    shop = empty_shop.with_jobs(read_orders)
    task_id = enqueued(read_orders)
    assert shop.work() == 1
    assert "ValueError: orders: since has no time zone: 2026-01-01" in shop.task(id=task_id).last_message


class Unreadable(Exception):
    """An error whose text can't be made."""

    def __str__(self) -> str:
        """Raise, as errors of careless libraries do."""
        raise KeyError("code")


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (SystemExit(3), "SystemExit", "SystemExit: 3 (test_jobs.py"),
        (KeyboardInterrupt(), "KeyboardInterrupt", "KeyboardInterrupt (test_jobs.py"),
        (Unreadable(), "Unreadable", "Unreadable: its text can't be read (KeyError)"),
        (RuntimeError("a\x00b\ud800c"), "RuntimeError", "RuntimeError: a"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_whatever_a_job_raises_is_a_failed_attempt(
    empty_shop: Shop, error: BaseException, code: str, told: str
) -> None:
    @job("end-badly", attempts=2)
    def end_badly(run: Run) -> None:
        raise error

    shop = empty_shop.with_jobs(end_badly)
    task_id = enqueued(end_badly)
    shop.work_until_quiet()
    task = shop.task(id=task_id)
    assert (task.state, task.attempts, task.last_code) == ("failed", 2, code)
    assert all(one.message.startswith(told) for one in shop.attempts(task_id=task_id))


def test_a_job_that_raises_is_repeated_and_then_handed_to_staff(empty_shop: Shop) -> None:
    secret = "a secret for tests alone, and long enough"

    @job("fail-always", attempts=3)
    def fail(run: Run) -> None:
        raise RuntimeError(f"the printer {secret} is on fire\n" + "x" * 5000)

    shop = empty_shop.with_jobs(fail)
    task_id = enqueued(fail)
    shop.work_until_quiet()
    task = shop.task(id=task_id)
    assert (task.state, task.attempts, task.last_code) == ("failed", 3, "RuntimeError")
    assert task.last_message is not None
    assert task.last_message.startswith("3 attempts used up; last: RuntimeError: the printer [masked] is on fire")
    attempts = shop.attempts(task_id=task_id)
    assert [(one.number, one.verb, one.outcome, one.code) for one in attempts] == [
        (number, "run", "unknown", "RuntimeError") for number in (1, 2, 3)
    ]
    assert all(secret not in one.message + one.exchanges and len(one.exchanges) < 3000 for one in attempts)


def test_staff_requeue_a_job_and_it_has_as_many_attempts_again(empty_shop: Shop) -> None:
    broken = [True]

    @job("print-labels", attempts=2)
    def print_labels(run: Run) -> str:
        if broken:
            raise OSError("no paper")
        return "printed"

    shop = empty_shop.with_jobs(print_labels)
    task_id = enqueued(print_labels)
    shop.work_until_quiet()
    broken.clear()
    selection = task_actions.requeue([task_id], COMMAND_LINE, "paper is in", shop.settings)
    assert [(one.done, one.order) for one in selection.items] == [(True, "")]
    assert shop.task(id=task_id).attempt_limit == 4
    assert shop.work() == 1
    assert [one.message for one in shop.attempts(task_id=task_id)][-1] == "printed"
    again = task_actions.requeue([task_id], COMMAND_LINE, "once more", shop.settings)
    assert not again.items[0].done
    assert "it is done" in again.items[0].text


def test_staff_give_a_job_up_while_it_runs_and_it_can_write_nothing_more(empty_shop: Shop) -> None:
    lost: list[str] = []

    @job("copy-prices")
    def copy_prices(run: Run) -> None:
        task_actions.cancel([run.task_id], COMMAND_LINE, "not today")
        with pytest.raises(LeaseLost), run.transaction():
            lost.append("went in")

    shop = empty_shop.with_jobs(copy_prices)
    task_id = enqueued(copy_prices)
    assert shop.work() == 0
    assert lost == []
    assert shop.task(id=task_id).state == "cancelled"
    assert [one.code for one in shop.attempts(task_id=task_id)] == ["taken_away", ""]


def test_what_waits_for_a_task_that_staff_give_up_ends_with_it_or_nothing_does(empty_shop: Shop) -> None:
    told: list[GivenUp] = []

    def end_the_return(session: Session, given_up: GivenUp) -> None:
        session.execute(update(Product).values(price_minor=given_up.arguments["price"]))
        told.append(given_up)
        if given_up.arguments["price"] == 2:
            raise KeyError("there is no such return")

    @job("tell-warehouse", when_given_up=end_the_return)
    def tell_warehouse(run: Run) -> None: ...

    shop = empty_shop.with_jobs(tell_warehouse)
    first, second = enqueued(tell_warehouse, key="r1", price=1), enqueued(tell_warehouse, key="r2", price=2)
    selection = task_actions.cancel([first, second], COMMAND_LINE, "it was sold")
    assert [one.done for one in selection.items] == [True, False]
    assert "what job tell-warehouse does then failed (KeyError). Nothing was changed." in selection.items[1].text
    assert told[0] == GivenUp({"price": 1}, "r1", first)
    assert {task.id: task.state for task in shop.tasks()} == {first: "cancelled", second: "waiting"}
    with reading() as session:
        assert set(session.scalars(select(Product.price_minor))) == {1}


def test_a_snooze_gives_the_attempt_back_and_equal_ones_are_one_entry(empty_shop: Shop) -> None:
    parts = iter([None, None, None, "done"])

    @job("go-slowly", attempts=1)
    def go_slowly(run: Run) -> str:
        part = next(parts)
        if part is None:
            run.snooze(0, "more to do")
        return part

    shop = empty_shop.with_jobs(go_slowly)
    task_id = enqueued(go_slowly)
    assert [shop.work() for _ in range(4)] == [1, 1, 1, 1]
    task = shop.task(id=task_id)
    assert (task.state, task.attempts, task.claims) == ("done", 1, 4)
    attempts = shop.attempts(task_id=task_id)
    assert [(one.number, one.code, one.repeats) for one in attempts] == [(1, "snoozed", 0), (4, "", 2)]


def test_a_snooze_is_as_long_as_asked(empty_shop: Shop) -> None:
    @job("wait-long")
    def wait_long(run: Run) -> None:
        raise Snooze(3600, "the bank is closed")

    shop = empty_shop.with_jobs(wait_long)
    task_id = enqueued(wait_long)
    assert shop.work() == 1
    assert 3590 < (shop.seconds_until_due(task_id) or 0) <= 3600
    assert shop.task(id=task_id).last_message == "the bank is closed"


@pytest.mark.parametrize("seconds", [-1, float("nan")])
def test_a_snooze_of_no_time_is_a_failed_attempt(empty_shop: Shop, seconds: float) -> None:
    @job("wait-wrongly", attempts=1)
    def wait_wrongly(run: Run) -> None:
        run.snooze(seconds)

    shop = empty_shop.with_jobs(wait_wrongly)
    task_id = enqueued(wait_wrongly)
    assert shop.work() == 1
    task = shop.task(id=task_id)
    assert (task.state, task.last_code) == ("failed", "ValueError")
    assert "is no number of seconds, 0 or more" in (task.last_message or "")


def test_a_job_that_snoozes_and_gets_nowhere_is_run_less_often(empty_shop: Shop) -> None:
    gets_on: list[int] = []

    @job("go-nowhere")
    def go_nowhere(run: Run) -> None:
        run.snooze(0, f"at {len(gets_on)}")

    shop = empty_shop.with_jobs(go_nowhere)
    task_id = enqueued(go_nowhere)

    def pause() -> float:
        shop.make_due()
        assert shop.work() == 1
        return round(shop.seconds_until_due(task_id) or 0.0)

    pauses = [pause() for _ in range(16)]
    assert (pauses[:8], pauses[10:]) == ([0] * 8, [2, 4, 8, 10, 10, 10])
    for _ in range(12):
        gets_on.append(1)
        assert pause() <= 0


@pytest.mark.parametrize(
    ("ends", "state", "code", "attempts"),
    [("try_again", "waiting", "failed", 1), ("needs_attention", "failed", "needs_attention", 1)],
)
def test_a_job_says_itself_whether_another_attempt_can_succeed(
    empty_shop: Shop, ends: str, state: str, code: str, attempts: int
) -> None:
    @job("ask-bank", attempts=5)
    def ask_bank(run: Run) -> None:
        getattr(run, ends)("the bank says no")

    shop = empty_shop.with_jobs(ask_bank)
    task_id = enqueued(ask_bank)
    assert shop.work() == 1
    task = shop.task(id=task_id)
    assert (task.state, task.last_code, task.attempts) == (state, code, attempts)
    assert "the bank says no" in task.last_message
    assert [one.message for one in shop.attempts(task_id=task_id)] == ["the bank says no"]


def test_its_own_transaction_commits_with_the_lease_and_renews_it(empty_shop: Shop) -> None:
    @job("change-prices", lease_seconds=100)
    def change_prices(run: Run) -> None:
        with run.transaction() as session:
            session.execute(update(Product).values(price_minor=1))
        run.renew()
        left.append(empty_shop.seconds_of_lease_left())

    left: list[float] = []
    shop = empty_shop.with_jobs(change_prices)
    enqueued(change_prices)
    assert shop.work() == 1
    assert 95 < left[0] <= 100
    with reading() as session:
        assert set(session.scalars(select(Product.price_minor))) == {1}


def test_a_transaction_that_is_rolled_back_renews_nothing(empty_shop: Shop) -> None:
    left: list[float] = []

    @job("change-prices", lease_seconds=100)
    def change_prices(run: Run) -> None:
        assert isinstance(run, HeldRun)
        left.append(run.seconds_left())
        time.sleep(USED_SECONDS)  # a renewal would give them back
        with suppress(KeyError), run.transaction():
            raise KeyError
        left.append(run.seconds_left())
        run.renew()
        left.append(run.seconds_left())

    shop = empty_shop.with_jobs(change_prices)
    enqueued(change_prices)
    assert shop.work() == 1
    before, rolled_back, renewed = left
    assert rolled_back < before - USED_SECONDS
    assert rolled_back < renewed


def test_a_job_that_lost_its_lease_writes_nothing_and_its_next_run_does(empty_shop: Shop) -> None:
    runs: list[int] = []

    @job("change-prices", lease_seconds=1)
    def change_prices(run: Run) -> str:
        runs.append(run.attempt)
        if len(runs) == 1:
            shop.let_task_leases_lapse()
            assert recover(shop.settings).tasks == 1
        with run.transaction() as session:
            session.execute(update(Product).values(price_minor=run.attempt))
        return "changed"

    shop = empty_shop.with_jobs(change_prices)
    task_id = enqueued(change_prices)
    shop.work_until_quiet()
    assert runs == [1, 2]
    with reading() as session:
        assert set(session.scalars(select(Product.price_minor))) == {2}
    assert [(one.number, one.code) for one in shop.attempts(task_id=task_id)] == [
        (1, "lease_lapsed"),
        (1, "LeaseLost"),
        (2, ""),
    ]


def test_a_lease_that_has_run_out_cannot_be_renewed_and_its_job_is_told_to_stop(empty_shop: Shop) -> None:
    told: list[Any] = []

    @job("change-prices", attempts=1, lease_seconds=60)
    def change_prices(run: Run) -> None:
        told.append(run.goes_on())
        shop.let_task_leases_lapse()  # and no timer has seen it yet
        with pytest.raises(LeaseLost):
            run.renew()
        told.append(run.goes_on())
        renew_for(run.task_id, 60)  # whatever happens to the row
        with pytest.raises(LeaseLost), run.transaction():
            told.append("went in")

    shop = empty_shop.with_jobs(change_prices)
    enqueued(change_prices)
    assert shop.work() == 1
    assert told == [True, False]


def renew_for(task_id: int, seconds: float) -> None:
    with writing() as session:
        session.execute(update(Task).where(Task.id == task_id).values(lease_until=db_now(seconds)))


def test_a_job_that_hangs_costs_its_lease_and_not_the_thread(empty_shop: Shop) -> None:
    goes_on, ended, told = threading.Event(), threading.Event(), []

    @job("hang-about", attempts=1, lease_seconds=1)
    def hang(run: Run) -> None:
        goes_on.wait(60)
        try:
            run.renew()
        except LeaseLost:
            told.append(run.goes_on())
        ended.set()

    shop = empty_shop.with_jobs(hang)
    task_id = enqueued(hang)
    [hint] = shop.due()
    assert run_hint(hint, shop.settings) is None
    assert shop.task(id=task_id).state == TaskState.RUNNING.value
    # Nobody waits for what it comes to, so it may not keep the task, whatever its row says.
    renew_for(task_id, 60)
    goes_on.set()
    assert ended.wait(20)
    assert told == [False]
    shop.let_task_leases_lapse()
    assert recover(shop.settings).tasks == 1
    assert (shop.task(id=task_id).state, shop.task(id=task_id).last_code) == ("failed", "lease_lapsed")


def test_a_paused_job_waits_and_others_go_on(empty_shop: Shop) -> None:
    ran: list[Run] = []

    @job("other-things")
    def other(run: Run) -> None: ...

    shop = empty_shop.with_jobs(count := counting(ran), other)
    switch = {"system": "count-things", "mode": "paused", "reason": "a test", "changed_at": db_now()}
    with writing() as session:
        session.execute(insert(SystemSwitch).values(**switch))
        enqueue(count, session)
        enqueue(other, session)
    assert (shop.work(), ran) == (1, [])
    assert run_job(shop.task(system="count-things").id, shop.settings) is None


def test_no_more_run_at_the_same_time_than_declared(empty_shop: Shop) -> None:
    inside, second = threading.Event(), threading.Event()

    @job("one-only", concurrency=1)
    def one_only(run: Run) -> None:
        inside.set()
        assert second.wait(20)

    shop = empty_shop.with_jobs(one_only)
    first_id, second_id = enqueued(one_only), enqueued(one_only)

    def work() -> None:
        with shop.app.app_context():
            run_job(first_id, shop.settings)

    worker = threading.Thread(target=work)
    worker.start()
    assert inside.wait(20)
    assert run_job(second_id, shop.settings) is None
    second.set()
    worker.join(20)
    assert {task.id: task.state for task in shop.tasks()} == {first_id: "done", second_id: "waiting"}


def test_two_workers_run_a_job_once(empty_shop: Shop) -> None:
    ran: list[Run] = []
    shop = empty_shop.with_jobs(count := counting(ran))
    task_id = enqueued(count)
    begin = threading.Barrier(4)

    def work() -> None:
        begin.wait(20)
        with shop.app.app_context():
            run_job(task_id, shop.settings)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(20)
    assert len(ran) == 1


def test_a_job_reads_orders_oldest_first(busy_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orderapp.services.engine.held_run.ORDERS_AT_A_TIME", 2)
    seen: list[tuple[str, str, int]] = []

    @job("read-orders")
    def read_orders(run: Run) -> None:
        until = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=30)
        for one in run.orders(until - dt.timedelta(days=1), until):
            seen.append((one.document.number, one.state, one.document.total.minor))

    placed = [busy_shop.submit().order for _ in range(6)]
    shop = busy_shop.with_jobs(read_orders)
    for age, order in enumerate(placed[:5]):
        shop.age_orders(3600 - age, order.id)
    enqueued(read_orders)
    shop.work_until_quiet()
    assert [number for number, _, _ in seen] == [order.number for order in placed[:5]]
    assert {state for _, state, _ in seen} == {"confirmed"}


def test_a_job_reads_one_order_as_it_is_now(busy_shop: Shop) -> None:
    seen: list[Any] = []

    @job("read-order")
    def read_order(run: Run) -> None:
        seen.append(run.order(run.arguments["number"]))

    shop, order = busy_shop.with_jobs(read_order), busy_shop.submit().order
    shop.cancel(order.id)
    shop.work_until_quiet()
    for number in (order.number, "NO-SUCH"):
        enqueued(read_order, number=number)
    shop.work_until_quiet()
    [found] = [one for one in seen if one is not None]
    assert (len(seen), found.document.number, found.state) == (2, order.number, "cancelled")
    assert found.document.customer.email == order.customer.email


@pytest.mark.parametrize(
    "changed",
    [{"kind": "settle"}, {"arguments": None}, {"system": "settlement"}],
)
def test_the_database_keeps_jobs_and_the_tasks_of_orders_apart(empty_shop: Shop, changed: dict[str, Any]) -> None:
    empty_shop.with_jobs(count := counting([]))
    task_id = enqueued(count)
    with pytest.raises(IntegrityError), writing() as session:
        session.execute(update(Task).where(Task.id == task_id).values(**changed))


def test_a_task_of_an_order_has_to_have_one(busy_shop: Shop) -> None:
    busy_shop.submit()
    for column in ("order_id", "placement_id"):
        with pytest.raises(IntegrityError), writing() as session:
            session.execute(update(Task).values(**{column: None}))


def test_a_job_that_is_declared_no_more_is_left_to_those_who_know_it(empty_shop: Shop) -> None:
    shop = empty_shop.with_jobs(count := counting([]))
    task_id = enqueued(count)
    gone = shop.with_jobs()
    assert (gone.work(), run_job(task_id, gone.settings)) == (0, None)
    refused = task_actions.requeue([task_id], COMMAND_LINE, "try", gone.settings)
    assert "there is no job count-things any more" in refused.items[0].text
    assert task_actions.cancel([task_id], COMMAND_LINE, "gone").items[0].done
