"""How the database is used: no transaction over a call, two commits in a request, as many statements for any cart."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Iterator

import pytest
from sqlalchemy import select, update

from orderapp import create_app
from orderapp.domain.outcome import Outcome
from orderapp.domain.states import OrderState, PlacementState, TaskState
from orderapp.errors import InProgress
from orderapp.extensions import db
from orderapp.models import Placement, Product, Submission, db_now
from orderapp.services.db.transactions import reading, writing
from orderapp.services.engine.run_task import run_task
from orderapp.services.placing.call_order import LEAST_STEPS, REFRESH_SECONDS, failure_rates
from orderapp.services.placing.place import Result
from tests.services.scripted import OneOfEach, Scripted, answers, does_it_then
from tests.services.shop import Shop
from tests.services.watching import watching


@contextlib.contextmanager
def counted() -> Iterator[Counter[str]]:
    """Count commits and statements."""
    tally: Counter[str] = Counter()

    def count(what: str) -> None:
        tally[what] += 1

    with watching(statement=lambda _text: count("statements"), commit=lambda: count("commits")):
        yield tally


def test_no_connection_is_held_while_another_system_is_called(busy_shop: Shop, systems: OneOfEach) -> None:
    held: list[tuple[str, str, int]] = []
    for system in systems.all:
        system.before = lambda verb, effect: held.append((verb, effect.key, db.engine.pool.checkedout()))  # type: ignore[attr-defined]
    confirmed = busy_shop.submit().order
    busy_shop.work_until_quiet()
    busy_shop.cancel(confirmed.id)
    systems.voucher.acts.append(does_it_then(systems.voucher))
    busy_shop.submit()
    busy_shop.work_until_quiet()
    assert {verb for verb, _key, _count in held} == {"act", "ask", "undo"}
    assert {count for _verb, _key, count in held} == {0}


@pytest.mark.parametrize("ends", [Result.CONFIRMED, Result.REFUSED, Result.UNAVAILABLE])
def test_a_request_commits_twice_however_it_ends(busy_shop: Shop, systems: OneOfEach, ends: Result) -> None:
    outcome = {Result.REFUSED: Outcome.REFUSED, Result.UNAVAILABLE: Outcome.UNKNOWN}.get(ends, Outcome.DONE)
    systems.voucher.acts.append(answers(outcome))
    with counted() as tally:
        assert busy_shop.submit().result is ends
    assert tally["commits"] == 2


def test_a_confirmation_of_a_placement_that_is_decided_already_writes_nothing(
    busy_shop: Shop, systems: OneOfEach
) -> None:
    def decide(_verb: str, _effect: object) -> None:
        with writing() as session:
            session.execute(update(Placement).values(state=PlacementState.COMPENSATED.value))

    systems.voucher.before = decide
    with pytest.raises(InProgress):
        busy_shop.submit()
    order = busy_shop.the_order()
    assert (order.state, busy_shop.tasks(order.id, kind="settle")) == (OrderState.PLACING, [])
    with reading() as session:
        assert session.scalars(select(Submission.lease_until)).one() is not None, "the lease was given up for nothing"


def test_a_replay_commits_nothing(busy_shop: Shop) -> None:
    content = busy_shop.content()
    busy_shop.submit("key", content)
    with counted() as tally:
        assert busy_shop.submit("key", content).result is Result.REPLAYED
    assert tally["commits"] == 0


def test_a_run_of_a_task_commits_twice(busy_shop: Shop) -> None:
    busy_shop.submit()
    with counted() as tally:
        ran = busy_shop.work()
    assert tally["commits"] == 2 * ran == 4


def test_a_hundred_lines_take_as_many_statements_as_one(busy_shop: Shop) -> None:
    skus = [f"SKU-{number}" for number in range(100)]
    with writing() as session:
        session.add_all(
            Product(sku=sku, name=sku, price_minor=100, currency="EUR", updated_at=db_now()) for sku in skus
        )

    def statements(count: int) -> int:
        tallies = []
        for _ in range(2):
            content = busy_shop.content(lines=[{"sku": sku, "quantity": 1} for sku in skus[:count]])
            with counted() as tally:
                assert busy_shop.submit(content=content).result is Result.CONFIRMED
            tallies.append(tally["statements"])
        return min(tallies)  # once in a while the failure rates are read as well

    assert statements(100) == statements(1)


def test_more_systems_take_no_more_statements_to_plan_confirm_or_compensate(empty_shop: Shop) -> None:
    def statements(count: int) -> tuple[int, int]:
        many = [Scripted(f"many{letter}", position=place) for place, letter in enumerate("abcdefghij"[:count])]
        shop = empty_shop.with_systems(*many)
        confirmed, compensating = [], []
        for _ in range(2):
            with counted() as tally:
                shop.submit()
            confirmed.append(tally["statements"])
            many[-1].acts.append(does_it_then(many[-1]))
            with counted() as tally:
                shop.submit()
            # What is known of each step that was come to is written on its own.
            compensating.append(tally["statements"] - count)
        # The smaller: once in a while the failure rates are read as well.
        return min(confirmed), min(compensating)

    assert statements(10) == statements(2)


def test_the_most_error_prone_system_is_called_first_once_that_is_measured(
    empty_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    steady, shaky = Scripted("steady", position=1), Scripted("shaky", position=2)
    shop = empty_shop.with_systems(steady, shaky)
    shaky.acts.extend([answers(Outcome.REFUSED, "no", repeatable=False)] * (LEAST_STEPS // 2))
    for _ in range(LEAST_STEPS - 1):
        shop.submit()
    assert failure_rates(["steady", "shaky"]) == {"steady": None, "shaky": None}
    shop.submit()
    assert failure_rates(["steady", "shaky"]) == {"steady": 0.0, "shaky": 0.5}

    # Rates are read again once in a while: that while later.
    monotonic = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: monotonic() + REFRESH_SECONDS + 1)
    order = shop.submit().order
    assert [step.system for step in order.steps] == ["shaky", "steady"]
    assert [step.position for step in shop.steps(order.id)] == [1, 2]


def test_orders_without_a_system_do_not_put_off_reading_its_rate(empty_shop: Shop) -> None:
    always, seldom = Scripted("always", position=1), Scripted("seldom", position=2)
    both, one = empty_shop.with_systems(always, seldom), empty_shop.with_systems(always)
    seldom.acts.extend([answers(Outcome.REFUSED, "no", repeatable=False)] * LEAST_STEPS)
    for _ in range(LEAST_STEPS):
        both.submit()
    fresh = create_app({"SECRET_KEY": "another process" * 3, "DATABASE_URL": empty_shop.settings.database_url})
    with fresh.app_context():
        one.submit()
        assert [step.system for step in both.submit().order.steps] == ["seldom", "always"]
        db.engine.dispose()


def test_what_is_usual_takes_a_handful_of_statements(busy_shop: Shop) -> None:
    tallies = []
    for _ in range(2):
        with counted() as request:
            assert busy_shop.submit().result is Result.CONFIRMED
        due = busy_shop.due()
        with counted() as tasks:
            for hint in due:
                assert run_task(hint.task_id, busy_shop.settings) is TaskState.DONE
        tallies.append((request["statements"], tasks["statements"] / len(due)))
    # In the service: what is known beforehand, TX1, TX2; a task's claim with its order, its end. The
    # smaller: once in a while the failure rates are read as well.
    # On SQLite a statement changes one table only, and BEGIN is one as well.
    assert min(tallies) == ((3, 2) if db.engine.dialect.name == "postgresql" else (20, 6))
