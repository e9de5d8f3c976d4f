"""Trying a failed order again, and cancelling a confirmed one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from orderapp.domain.outcome import Answer, Outcome
from orderapp.domain.retry import Guarantee
from orderapp.domain.states import OrderState, TaskState
from orderapp.errors import CompensationInProgress, InProgress, KeyReused, NotFound, WrongState
from orderapp.services.engine.run_task import run_task
from orderapp.services.placing.place import Result
from orderapp.systems.base import Part
from tests.services.scripted import Killed, Scripted, answers, dies, does_it_then
from tests.services.shop import Shop, names


@pytest.fixture
def stock() -> Scripted:
    return Scripted("stock", position=1)


@pytest.fixture
def points() -> Scripted:
    return Scripted("points", position=2)


@pytest.fixture
def bank() -> Scripted:
    return Scripted("bank", Part.SETTLE, attempts=3)


@pytest.fixture
def mail() -> Scripted:
    return Scripted("letters", Part.NOTIFY)


@pytest.fixture
def shop2(empty_shop: Shop, stock: Scripted, points: Scripted, bank: Scripted, mail: Scripted) -> Shop:
    return empty_shop.with_systems(stock, points, bank, mail)


class TestRetry:
    """A failed order is placed again, as a placement of its own."""

    @pytest.fixture
    def failed(self, shop2: Shop, points: Scripted) -> Any:
        """An order that failed at its second system and holds nothing any more."""
        points.acts.append(does_it_then(points))
        order = shop2.submit("first key").order
        shop2.work_until_quiet()
        return order

    def test_it_gets_fresh_keys_and_is_confirmed(
        self, shop2: Shop, failed: Any, stock: Scripted, points: Scripted
    ) -> None:
        placed = shop2.retry(failed.id)
        assert (placed.result, placed.order.id, placed.order.placements) == (Result.CONFIRMED, failed.id, 2)
        keys = [step.key for step in shop2.steps(failed.id)]
        assert keys == [f"{failed.number}:{n}:{name}" for n in (1, 2) for name in ("stock", "points")]
        assert (stock.in_place[keys[2]], points.in_place[keys[3]]) == (1, 1)
        assert (stock.held, points.held) == (1, 1)
        shop2.work_until_quiet()
        assert {task.key for task in shop2.tasks(kind="settle")} == {f"{failed.number}:2:bank"}

    def test_the_first_submissions_key_answers_with_the_order_as_it_is_now(self, shop2: Shop, failed: Any) -> None:
        content = {
            "customer": {"name": "Ada Lovelace", "email": failed.customer.email, "member_ref": "M-1001"},
            "lines": [{"sku": "TEA-GREEN", "quantity": 2}],
        }
        shop2.retry(failed.id, "retry key")
        assert shop2.submit("first key", content).result is Result.REPLAYED
        assert shop2.retry(failed.id, "retry key").result is Result.REPLAYED
        assert shop2.the_order().placements == 2

    def test_it_waits_for_what_is_still_held(self, shop2: Shop, points: Scripted) -> None:
        points.acts.append(does_it_then(points))
        order = shop2.submit().order
        with pytest.raises(CompensationInProgress) as caught:
            shop2.retry(order.id)
        assert (caught.value.order_id, shop2.the_order().placements) == (order.id, 1)

    def test_of_two_at_once_one_places_it(self, shop2: Shop, failed: Any, stock: Scripted) -> None:
        def retry(_number: int) -> Any:
            with shop2.app.app_context():
                try:
                    return shop2.retry(failed.id).result
                except (InProgress, WrongState) as error:
                    return error.code

        with ThreadPoolExecutor(4) as pool:
            came = list(pool.map(retry, range(4)))
        assert came.count(Result.CONFIRMED) == 1
        assert (shop2.the_order().placements, stock.held) == (2, 1)

    def test_the_same_retry_key_at_once_is_one_retry(self, shop2: Shop, failed: Any, stock: Scripted) -> None:
        def retry(_number: int) -> Any:
            with shop2.app.app_context():
                try:
                    return shop2.retry(failed.id, "retry key").result
                except InProgress as error:
                    return error.code

        with ThreadPoolExecutor(4) as pool:
            came = list(pool.map(retry, range(4)))
        assert came.count(Result.CONFIRMED) == 1
        assert set(came) <= {Result.CONFIRMED, Result.REPLAYED, "in_progress"}
        assert (shop2.the_order().placements, stock.held) == (2, 1)

    def test_of_a_retry_and_a_new_order_under_its_key_at_once_one_is_placed(
        self, shop2: Shop, failed: Any, stock: Scripted
    ) -> None:
        """Two tabs: one tries the order again, the other orders anew with something left out."""
        together, content = Barrier(2), shop2.content()

        def press(again: bool) -> Any:
            with shop2.app.app_context():
                together.wait()
                try:
                    return (shop2.retry(failed.id, "its key") if again else shop2.submit("its key", content)).result
                except (KeyReused, InProgress) as error:
                    return error.code

        with ThreadPoolExecutor(2) as pool:
            came = list(pool.map(press, (True, False)))
        assert sorted(came) == [Result.CONFIRMED, "idempotency_key_reused"]
        assert stock.held == 1

    def test_a_retry_key_is_good_for_its_order_only(self, shop2: Shop, failed: Any, points: Scripted) -> None:
        points.acts.append(answers(Outcome.REFUSED, "no", repeatable=False))
        other = shop2.submit().order
        shop2.work_until_quiet()
        shop2.retry(failed.id, "retry key")
        with pytest.raises(KeyReused):
            shop2.retry(other.id, "retry key")

    @pytest.mark.parametrize("state", ["confirmed", "cancelled"])
    def test_only_a_failed_order_is_tried_again(self, shop2: Shop, state: str) -> None:
        order = shop2.submit().order
        if state == "cancelled":
            shop2.cancel(order.id)
            shop2.work_until_quiet()
        with pytest.raises(WrongState, match=state):
            shop2.retry(order.id)

    def test_an_order_that_does_not_exist(self, shop2: Shop) -> None:
        import uuid

        with pytest.raises(NotFound):
            shop2.retry(uuid.uuid4())

    def test_a_retry_that_fails_can_be_tried_again(self, shop2: Shop, failed: Any, points: Scripted) -> None:
        points.acts.append(does_it_then(points))
        assert shop2.retry(failed.id).result is Result.UNAVAILABLE
        shop2.work_until_quiet()
        assert shop2.retry(failed.id).order.placements == 3
        assert points.held == 1

    def test_a_retry_whose_process_died_is_corrected_like_any_other(
        self, shop2: Shop, failed: Any, stock: Scripted, points: Scripted
    ) -> None:
        stock.acts.append(dies)
        with pytest.raises(Killed):
            shop2.retry(failed.id)
        with pytest.raises(InProgress):
            shop2.retry(failed.id)
        shop2.let_submission_leases_lapse()
        shop2.work_until_quiet()
        assert (shop2.the_order().state, stock.held, points.held) == (OrderState.FAILED, 0, 0)
        assert shop2.retry(failed.id).order.placements == 3


class TestCancel:
    """A confirmed order is taken back, wherever its tasks stand."""

    def assert_nothing_is_held(self, shop: Shop, *systems: Scripted) -> None:
        shop.work_until_quiet()
        assert shop.the_order().state is OrderState.CANCELLED
        assert [system.held for system in systems] == [0] * len(systems)

    def test_before_the_settlement_was_begun_it_never_is(
        self, shop2: Shop, stock: Scripted, points: Scripted, bank: Scripted, mail: Scripted
    ) -> None:
        order = shop2.submit().order
        cancelled = shop2.cancel(order.id)
        assert (cancelled.state, cancelled.ends_as) == (OrderState.COMPENSATING, OrderState.CANCELLED)
        assert names(shop2.tasks(order.id)) == {
            ("settle", "bank", "cancelled"),
            ("notify", "letters", "cancelled"),
            ("compensate", "stock", "waiting"),
            ("compensate", "points", "waiting"),
        }
        assert {task.due_at for task in shop2.tasks(state="cancelled")} == {None}
        self.assert_nothing_is_held(shop2, stock, points)
        assert (bank.calls, mail.calls) == ([], [])

    def test_a_settlement_that_is_done_is_reversed(self, shop2: Shop, bank: Scripted, stock: Scripted) -> None:
        order = shop2.submit().order
        shop2.work_until_quiet()
        shop2.cancel(order.id)
        assert ("settle", "bank", "done") in names(shop2.tasks(order.id))
        self.assert_nothing_is_held(shop2, bank, stock)
        assert bank.verbs(f"{order.number}:1:bank") == ["act", "undo"]

    @pytest.mark.parametrize("act", [answers(Outcome.DONE, pending=True), answers(Outcome.UNKNOWN)])
    def test_a_settlement_that_is_pending_or_unknown_is_reversed(
        self, shop2: Shop, bank: Scripted, stock: Scripted, act: Any
    ) -> None:
        bank.acts.append(act)
        order = shop2.submit().order
        shop2.work()
        shop2.cancel(order.id)
        self.assert_nothing_is_held(shop2, bank, stock)
        assert bank.verbs(f"{order.number}:1:bank") == ["act", "undo"]

    @pytest.mark.parametrize("late", [Outcome.DONE, Outcome.UNKNOWN])
    def test_a_settlement_that_ends_after_it_was_reversed_is_reversed_again(
        self, shop2: Shop, bank: Scripted, late: Outcome
    ) -> None:
        order = shop2.submit().order

        def cancelled_meanwhile(effect: Any) -> Answer:
            shop2.cancel(order.id)
            shop2.work_until_quiet()
            assert shop2.the_order().state is OrderState.CANCELLED
            bank.cancelled.clear()  # a system that forgets its tombstones
            return Answer(bank.do(effect).outcome if late is Outcome.DONE else late)

        bank.acts.append(cancelled_meanwhile)
        [settle] = shop2.tasks(kind="settle")
        assert run_task(settle.id, shop2.settings) is None
        assert shop2.task(kind="settle").state == TaskState.CANCELLED.value
        assert shop2.the_order().state is OrderState.COMPENSATING
        self.assert_nothing_is_held(shop2, bank)
        assert [one.code or one.outcome for one in shop2.attempts(task_id=settle.id)] == ["taken_away", late.value]

    def test_a_worker_that_dies_over_a_cancelled_settlement_leaves_nothing(self, shop2: Shop, bank: Scripted) -> None:
        order = shop2.submit().order

        def cancelled_meanwhile(effect: Any) -> Answer:
            shop2.cancel(order.id)
            bank.do(effect)
            raise Killed

        bank.acts.append(cancelled_meanwhile)
        with pytest.raises(Killed):
            run_task(shop2.task(kind="settle").id, shop2.settings)
        assert "taken_away" in [one.code for one in shop2.attempts(task_id=shop2.task(kind="settle").id)]
        self.assert_nothing_is_held(shop2, bank)

    def test_what_a_dead_worker_has_sent_may_appear_until_its_call_would_have_ended(
        self, empty_shop: Shop, stock: Scripted
    ) -> None:
        ledger = Scripted("ledger", Part.SETTLE, Guarantee.QUERY_FIRST)
        ledger.call_seconds = 20.0
        shop = empty_shop.with_systems(stock, ledger)
        order = shop.submit().order

        def cancelled_meanwhile(_effect: Any) -> Answer:
            shop.cancel(order.id)
            raise Killed

        ledger.acts.append(cancelled_meanwhile)
        with pytest.raises(Killed):
            run_task(shop.task(kind="settle").id, shop.settings)
        shop.work()
        task = shop.task(kind="compensate", system="ledger")
        assert (task.state, task.last_code) == ("waiting", "late_window")
        ledger.in_place[task.key] += 1
        shop.make_due()
        self.assert_nothing_is_held(shop, stock, ledger)

    def test_a_settlement_in_staffs_hands_is_reversed_too(self, shop2: Shop, bank: Scripted) -> None:
        bank.acts.extend([does_it_then(bank)] * 3)
        order = shop2.submit().order
        for _ in range(3):
            shop2.make_due()
            shop2.work()
        assert shop2.task(kind="settle").state == TaskState.FAILED.value
        shop2.cancel(order.id)
        self.assert_nothing_is_held(shop2, bank)

    def test_cancelling_again_changes_nothing(self, shop2: Shop, stock: Scripted) -> None:
        order = shop2.submit().order
        first = shop2.cancel(order.id)
        assert shop2.cancel(order.id) == first
        self.assert_nothing_is_held(shop2, stock)
        assert shop2.cancel(order.id).state is OrderState.CANCELLED
        assert len(shop2.tasks(kind="compensate")) == 2

    def test_cancelling_from_eight_threads_is_cancelling_once(self, shop2: Shop, stock: Scripted) -> None:
        order = shop2.submit().order

        def cancel(_number: int) -> OrderState:
            with shop2.app.app_context():
                return shop2.cancel(order.id).state

        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(cancel, range(8))) == {OrderState.COMPENSATING}
        assert len(shop2.tasks(kind="compensate")) == 2
        self.assert_nothing_is_held(shop2, stock)

    def test_what_is_not_confirmed_cannot_be_cancelled(self, shop2: Shop, stock: Scripted) -> None:
        stock.acts.append(answers(Outcome.REFUSED, "no", repeatable=False))
        order = shop2.submit().order
        with pytest.raises(WrongState, match="failed"):
            shop2.cancel(order.id)

    def test_an_order_being_placed_cannot_be_cancelled(self, shop2: Shop, points: Scripted) -> None:
        def cancelled_meanwhile(effect: Any) -> Answer:
            with pytest.raises(WrongState, match="placing"):
                shop2.cancel(shop2.the_order().id)
            return points.do(effect)

        points.acts.append(cancelled_meanwhile)
        assert shop2.submit().result is Result.CONFIRMED
