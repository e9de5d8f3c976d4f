"""A reconciliation is one run over a period: claimed by one process, gone on with where another died."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import select, text, update

from orderapp.domain.orders import Effect
from orderapp.domain.outcome import Report
from orderapp.errors import LeaseLost, WrongState
from orderapp.models import Reconciliation, SwitchMode, db_now
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.services.db.transactions import reading, writing
from orderapp.services.reconciliation.reconcile import BATCH, NIGHTLY_PAUSE_SECONDS, reconcile, reconcile_nightly
from orderapp.services.resilience.switches import switch_system
from tests.services.listening import DAY, Listening, reconciled
from tests.services.scripted import Killed, OneOfEach, Scripted
from tests.services.shop import Shop

HOUR = 3600.0


@pytest.fixture
def orders(busy_shop: Shop) -> Callable[[int], list[uuid.UUID]]:
    """Places orders and has all their tasks done."""

    def place(count: int) -> list[uuid.UUID]:
        ids = [busy_shop.submit().order.id for _ in range(count)]
        busy_shop.work_until_quiet()
        return ids

    return place


def change_runs(**values: object) -> None:
    with writing() as session:
        session.execute(update(Reconciliation).values(**values))


def runs() -> list[Reconciliation]:
    with reading() as session:
        return list(session.scalars(select(Reconciliation).order_by(Reconciliation.id)))


def asked(systems: OneOfEach) -> list[str]:
    return [key for verb, key in systems.stock.calls if verb == "ask"]


def test_a_run_that_died_is_gone_on_with_where_it_was(
    busy_shop: Shop, systems: OneOfEach, orders: Callable[[int], list[uuid.UUID]]
) -> None:
    ids = orders(BATCH + 5)
    systems.stock.take_back(busy_shop.effect(busy_shop.steps(ids[0])[0]))

    def dies_in_the_second_batch(verb: str, _effect: object) -> None:
        if verb == "ask" and len(asked(systems)) > BATCH + 2:
            raise Killed

    systems.stock.before = dies_in_the_second_batch
    with pytest.raises(Killed):
        reconciled(busy_shop)
    systems.stock.before = lambda verb, effect: None
    with pytest.raises(WrongState, match="under way already"):
        reconciled(busy_shop)
    change_runs(lease_until=db_now(-0.01))

    listening = reconciled(busy_shop, HOUR)

    [run] = listening.runs
    assert (run.resumed, run.counts.orders) == (True, BATCH)
    assert listening.kinds == [("stock", "missing effect")], "what was found before is told again"
    assert (runs()[0].finished_at is not None, runs()[0].fencing) == (True, 2)
    assert f'"orders": {BATCH + 5}' in runs()[0].counts
    assert len(asked(systems)) == BATCH + 5 + 3, "only what was not written down is asked again"
    assert set(asked(systems)) == {busy_shop.steps(order_id)[0].key for order_id in ids}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_order_whose_difference_cannot_be_written_down_is_passed_over_and_counted(
    busy_shop: Shop, systems: OneOfEach, orders: Callable[[int], list[uuid.UUID]]
) -> None:
    refused, written = (busy_shop.steps(order_id)[0] for order_id in orders(2))
    for step in (refused, written):
        systems.stock.take_back(busy_shop.effect(step))
    refusing = f"WHEN NEW.key = '{refused.key}' BEGIN SELECT RAISE(ABORT, 'not this one'); END"
    with writing() as session:
        session.execute(text(f"CREATE TRIGGER refusing BEFORE INSERT ON mismatches {refusing}"))
    assert reconciled(busy_shop).kinds == [("stock", "missing effect")]
    assert json.loads(runs()[0].counts) | {"orders": 1, "in_progress": 1, "differences": 1} == json.loads(
        runs()[0].counts
    )


class Rambling(Scripted):
    """Answers about one key what no system should."""

    about = ""

    def ask(self, effect: Effect) -> Report:
        report = super().ask(effect)
        return replace(report, effects=None) if effect.key == self.about else report  # type: ignore[arg-type]


def test_an_effect_about_which_its_system_tells_nonsense_is_not_checked(empty_shop: Shop) -> None:
    stock = Rambling("stock")
    shop = empty_shop.with_systems(stock)
    rambled_about, _ = (shop.submit().order, shop.submit().order)
    stock.about = shop.steps(rambled_about.id)[0].key
    assert reconciled(shop).kinds == [("stock", "could not be checked")]
    counts = json.loads(runs()[0].counts)
    assert (counts["orders"], counts["in_progress"], counts["effects"]) == (2, 0, 1)


def test_a_run_that_is_told_to_stop_is_given_up_at_once(
    busy_shop: Shop, systems: OneOfEach, orders: Callable[[int], list[uuid.UUID]]
) -> None:
    orders(6)
    stop = threading.Event()
    systems.stock.before = lambda verb, effect: stop.set() if verb == "ask" and len(asked(systems)) == 3 else None

    run = reconcile(busy_shop.settings, DAY, Listening(), stop)

    assert (run.finished, run.counts.orders) == (False, 3)
    assert reconciled(busy_shop).runs[0].counts.orders == 3
    assert len(asked(systems)) == 6


def test_while_a_run_is_under_way_another_refuses_to_begin(
    busy_shop: Shop, systems: OneOfEach, orders: Callable[[int], list[uuid.UUID]]
) -> None:
    orders(1)
    refused: list[WrongState] = []

    def another(verb: str, _effect: object) -> None:
        if verb == "ask" and not refused:
            with pytest.raises(WrongState) as caught:
                reconciled(busy_shop)
            refused.append(caught.value)
            assert reconcile_nightly(busy_shop.settings, Listening(), threading.Event()) is None

    systems.stock.before = another
    assert reconciled(busy_shop).told == []
    assert len(refused) == 1
    assert len(runs()) == 1


def test_a_holder_that_slept_through_its_lease_writes_nothing_more(
    busy_shop: Shop, systems: OneOfEach, orders: Callable[[int], list[uuid.UUID]]
) -> None:
    orders(1)
    taken_over: list[Listening] = []

    def sleeps(verb: str, _effect: object) -> None:
        if verb == "ask" and not taken_over:
            taken_over.append(Listening())
            change_runs(lease_until=db_now(-0.01))
            taken_over[0] = reconciled(busy_shop)

    systems.stock.before = sleeps
    with pytest.raises(LeaseLost, match="goes on with it"):
        reconciled(busy_shop)
    assert '"orders": 1' in runs()[0].counts


def test_a_longer_period_is_begun_anew(busy_shop: Shop, orders: Callable[[int], list[uuid.UUID]]) -> None:
    ids = orders(2)
    busy_shop.age_orders(3 * HOUR, ids[0])
    stop = threading.Event()
    stop.set()
    assert not reconcile(busy_shop.settings, HOUR, Listening(), stop).finished

    listening = reconciled(busy_shop, DAY)

    assert not listening.runs[0].resumed
    assert '"orders": 2' in runs()[0].counts
    assert len(runs()) == 1


def test_the_timer_reconciles_once_there_is_a_day_of_orders_and_then_once_a_day(
    busy_shop: Shop, orders: Callable[[int], list[uuid.UUID]]
) -> None:
    def nightly() -> bool:
        return reconcile_nightly(busy_shop.settings, Listening(), threading.Event()) is not None

    assert not nightly(), "there is nothing to look at"
    orders(1)
    assert not nightly()
    busy_shop.age_orders(DAY + 60)
    assert nightly()
    assert '"orders": 1' in runs()[0].counts
    assert not nightly(), "the next one is due in a day"
    reconciled(busy_shop, HOUR)
    change_runs(started_at=db_now(-DAY - 1), since_at=db_now(-2 * DAY - 1))
    assert nightly()
    assert [round((run.started_at - run.since_at).total_seconds() / DAY) for run in runs()[-1:]] == [2]
    switched_off = replace(busy_shop.settings, reconcile_interval_seconds=HOUR)
    assert reconcile_nightly(switched_off, Listening(), threading.Event()) is None


def test_what_could_not_be_checked_is_looked_at_again_by_the_next_nightly_run(
    busy_shop: Shop, systems: OneOfEach, orders: Callable[[int], list[uuid.UUID]]
) -> None:
    orders(1)
    switch_system("stock", SwitchMode.PAUSED, COMMAND_LINE, "maintenance", busy_shop.settings)
    listening = reconciled(busy_shop)
    assert [(one.kind.value, one.theirs) for one in listening.told] == [
        ("could not be checked", "not asked: staff have paused the system")
    ]
    assert asked(systems) == []
    switch_system("stock", SwitchMode.ON, COMMAND_LINE, "well again", busy_shop.settings)
    change_runs(started_at=db_now(-DAY), since_at=db_now(-2 * DAY))
    busy_shop.age_orders(5 * DAY)

    reconcile_nightly(busy_shop.settings, Listening(), threading.Event())

    assert len(asked(systems)) == 1


def test_of_two_timers_that_find_the_same_run_due_one_does_it(
    busy_shop: Shop, systems: OneOfEach, orders: Callable[[int], list[uuid.UUID]]
) -> None:
    orders(3)
    busy_shop.age_orders(DAY + 60)
    barrier = threading.Barrier(2)
    did: list[bool] = []

    def timer() -> None:
        with busy_shop.app.app_context():
            barrier.wait()
            did.append(reconcile_nightly(busy_shop.settings, Listening(), threading.Event()) is not None)

    threads = [threading.Thread(target=timer) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(did) == [False, True]
    assert len(runs()) == 1
    assert len(asked(systems)) == 3


def test_the_timers_run_keeps_its_pace(
    busy_shop: Shop, systems: OneOfEach, orders: Callable[[int], list[uuid.UUID]]
) -> None:
    orders(2)
    busy_shop.age_orders(DAY + 60)
    with reading() as session:
        before = session.execute(select(db_now())).scalar_one()
    reconcile_nightly(busy_shop.settings, Listening(), threading.Event())
    with reading() as session:
        after = session.execute(select(db_now())).scalar_one()
    questions = sum(verb == "ask" for system in systems.all for verb, _ in system.calls)
    assert questions == 6
    assert (after - before).total_seconds() >= questions * NIGHTLY_PAUSE_SECONDS
