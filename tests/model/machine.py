"""The model: customers, workers, the timer, the relay, staff and the clock act in any order."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import TypeVar

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from orderapp.domain.states import OrderState
from orderapp.errors import WrongState
from orderapp.models import SwitchMode
from orderapp.services.backoffice import task_actions
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.services.engine.recovery import tidy
from orderapp.services.orders.cancel import cancel_order
from tests.model import audit, invariants
from tests.model.outside import ALL_WAYS, DIES, STOPS, STOPS_BEFORE, WELL
from tests.model.playing import Playing

T = TypeVar("T")
# What the next calls come to; those after them go well. Mostly the first or second goes wrong, and then what follows.
WAYS = st.builds(
    lambda well, wrong, more: [WELL] * well + [wrong, *more],
    st.sampled_from([0, 0, 1, 1, 1, 2, 2]),
    st.sampled_from([WELL, *ALL_WAYS]),
    st.lists(st.sampled_from(ALL_WAYS), max_size=3),
)
INTERRUPTED = st.builds(
    lambda well, wrong: [WELL] * well + [wrong], st.integers(0, 1), st.sampled_from([*ALL_WAYS, *STOPS, *STOPS])
)
NUMBERS = st.integers(0, 7)  # which of several; more than there are begins again at the first
LEASES = st.sampled_from([31.0, 95.0])  # a submission's lease, without and with a late window after it
PASSES = st.sampled_from([1.0, 8.0, 31.0, 61.0])  # a moment, a Retry-After, either lease, a late window


def _pick(items: Sequence[T], which: int) -> T:
    return items[which % len(items)]


class Orders(Playing):
    """Every rule is one act; `_go` lets one run continue until it ends or stops."""

    # customers

    @rule(coupon=st.sampled_from([True, True, False]), ways=WAYS)
    def submit(self, coupon: bool, ways: list[str]) -> None:
        self._submit(self._new_key(), self._cart(f"c{len(self.keys)}@example.com", coupon), ways)

    @precondition(lambda self: self.carts)
    @rule(which=NUMBERS, allow=st.booleans(), ways=WAYS)
    def submit_the_same_cart(self, which: int, allow: bool, ways: list[str]) -> None:
        cart = _pick(list(self.carts.values()), which)
        self._submit(
            self._new_key(), self._cart(cart.customer.email, bool(cart.inputs["coupon"]), allow_duplicate=allow), ways
        )

    @rule(same_key=st.booleans(), ways=WAYS, ways_of_the_first=WAYS)
    def submit_in_two_tabs(self, same_key: bool, ways: list[str], ways_of_the_first: list[str]) -> None:
        """The second comes while the first one's discount is still being asked for."""
        at_work = len(self.runs)
        self.submit(True, [STOPS_BEFORE])
        key = self.keys[-1]
        self._submit(key if same_key else self._new_key(), self.carts[key], ways)
        if len(self.runs) > at_work:
            self._go(self.runs[at_work], ways_of_the_first)

    @precondition(lambda self: self.carts)
    @rule(which=NUMBERS, ways=WAYS)
    def repeat(self, which: int, ways: list[str]) -> None:
        self._repeat(_pick(list(self.carts), which), ways)

    @rule(well=st.integers(0, 2), ends=st.sampled_from([*DIES, *STOPS]), seconds=LEASES, ways=WAYS)
    def be_interrupted_and_repeat(self, well: int, ends: str, seconds: float, ways: list[str]) -> None:
        """After the lease, with or without the late window, and before the timer comes."""
        self.submit(True, [*[WELL] * well, ends])
        self.stage.clock.advance(seconds)
        self._repeat(self.keys[-1], ways)

    @precondition(lambda self: self._unfinished())
    @rule(which=NUMBERS, seconds=LEASES, ways=WAYS)
    def repeat_what_was_interrupted(self, which: int, seconds: float, ways: list[str]) -> None:
        self.stage.clock.advance(seconds)
        self._repeat(_pick(self._unfinished(), which), ways)

    @precondition(lambda self: self._unfinished() and self.runs)
    @rule(which=NUMBERS, ways=WAYS, zombie=NUMBERS, ways_of_the_zombie=WAYS)
    def repeat_beside_a_zombie(self, which: int, ways: list[str], zombie: int, ways_of_the_zombie: list[str]) -> None:
        """The next holder goes as far as it goes; then one who was there before wakes up."""
        run = _pick(self.runs, zombie)
        self.repeat_what_was_interrupted(which, 31.0, ways)
        self._go(run, ways_of_the_zombie)

    @precondition(lambda self: self.carts)
    @rule(which=NUMBERS, ways=WAYS)
    def submit_something_else_under_the_same_key(self, which: int, ways: list[str]) -> None:
        key = _pick(list(self.carts), which)
        cart = self.carts[key]
        self._submit(key, self._cart(cart.customer.email, not cart.inputs["coupon"]), ways)

    @precondition(lambda self: self.before.orders)
    @rule(which=NUMBERS, used=st.booleans(), ways=WAYS)
    def retry(self, which: int, used: bool, ways: list[str]) -> None:
        failed = [order for order in self.before.orders if order["state"] == "failed"] or self.before.orders
        order_id = _pick(failed, which)["id"]
        key = _pick(self.keys, which) if used else self._new_key()
        self._retry(key, order_id, ways)

    @precondition(lambda self: self.before.orders)
    @rule(which=NUMBERS)
    def cancel(self, which: int) -> None:
        confirmed = [order for order in self.before.orders if order["state"] == "confirmed"] or self.before.orders
        order = _pick(confirmed, which)
        try:
            view = cancel_order(uuid.UUID(order["id"]), self.stage.settings)
        except WrongState:
            assert order["state"] != "confirmed"
        else:
            assert view.state in (OrderState.COMPENSATING, OrderState.CANCELLED)

    # the relay, workers, the timer

    @precondition(lambda self: self.before.orders)
    @rule(takes=st.integers(0, 8), dies=st.booleans())
    def relay(self, takes: int, dies: bool) -> None:
        self._relay(takes, dies=dies)

    @precondition(lambda self: self.messages)
    @rule(which=NUMBERS, again=st.booleans(), ways=WAYS)
    def deliver(self, which: int, again: bool, ways: list[str]) -> None:
        task_id = _pick(self.messages, which)
        if not again:
            self.messages.remove(task_id)
        self._run_task(task_id, ways)

    @precondition(lambda self: self._waiting())
    @rule(which=NUMBERS, first=INTERRUPTED, seconds=PASSES, ways=WAYS, ways_of_the_first=WAYS)
    def run_a_task_twice(
        self, which: int, first: list[str], seconds: float, ways: list[str], ways_of_the_first: list[str]
    ) -> None:
        """The first run ends as it does; the second comes some time later; where the first only slept, it wakes up."""
        task_id = _pick(self._waiting(), which)
        run = self._run_task(task_id, first)
        self._lapse(seconds)
        self._run_task(task_id, ways)
        if not run.ended:
            self._go(run, ways_of_the_first)

    @precondition(lambda self: self._waiting())
    @rule(which=NUMBERS, stops=st.sampled_from(STOPS), ways=WAYS, ways_of_the_next=WAYS)
    def run_a_task_beside_a_zombie(self, which: int, stops: str, ways: list[str], ways_of_the_next: list[str]) -> None:
        """The zombie wakes up while the next holder is at work, and ends first."""
        task_id = _pick(self._waiting(), which)
        zombie = self._run_task(task_id, [stops])
        self._lapse(61.0)
        holder = self._run_task(task_id, [STOPS_BEFORE])
        for run, then in ((zombie, ways), (holder, ways_of_the_next)):
            if not run.ended:
                self._go(run, then)

    @precondition(lambda self: self._waiting())
    @rule(which=NUMBERS, ways=st.lists(st.sampled_from(ALL_WAYS), min_size=2, max_size=5))
    def run_a_task_until_it_ends(self, which: int, ways: list[str]) -> None:
        """As soon as it is due again, a few times: what its attempts come to adds up."""
        task_id = _pick(self._waiting(), which)
        for way in ways:
            self._run_task(task_id, [way])
            self._lapse(61.0)

    def _lapse(self, seconds: float) -> None:
        """Let time pass, let the timer recover what has lapsed, and let that be due again."""
        self.stage.clock.advance(seconds)
        self._timer()
        self.stage.clock.advance(0.001)  # longer than the backoff

    @precondition(lambda self: self.messages)
    @rule()
    def lose_all_messages(self) -> None:
        self.messages.clear()

    @precondition(lambda self: self.before.orders)
    @rule(ways=WAYS)
    def relay_and_deliver_all(self, ways: list[str]) -> None:
        self._relay(100)
        for task_id in self.messages:
            run = self._run_task(task_id, ways)
            ways = list(run.ways)
        self.messages.clear()

    @precondition(lambda self: self.before.orders)
    @rule(tidies=st.booleans())
    def timer(self, tidies: bool) -> None:
        self._timer()
        if tidies:
            tidy()

    @precondition(lambda self: self.before.orders)
    @rule(seconds=PASSES)
    def pass_time(self, seconds: float) -> None:
        self.stage.clock.advance(seconds)

    @precondition(lambda self: self.before.orders)
    @rule(seconds=PASSES, ways=WAYS)
    def pass_time_with_timer_and_workers(self, seconds: float, ways: list[str]) -> None:
        self.stage.clock.advance(seconds)
        self._timer()
        self.relay_and_deliver_all(ways)

    @precondition(lambda self: self.runs)
    @rule(which=NUMBERS, ways=WAYS)
    def let_go_on(self, which: int, ways: list[str]) -> None:
        self._go(_pick(self.runs, which), ways)

    @precondition(lambda self: self.runs)
    @rule(which=NUMBERS, ways=WAYS, again=st.booleans(), ways_again=WAYS)
    def let_go_on_when_all_is_over(self, which: int, ways: list[str], again: bool, ways_again: list[str]) -> None:
        """A zombie wakes up after others have done what there was to do in its place, and the customer tried again."""
        run = _pick(self.runs, which)
        for seconds in (31.0, 61.0, 61.0):
            self.pass_time_with_timer_and_workers(seconds, [])
        order = self.stage.tables.one("SELECT id FROM orders WHERE number = ?", run.key.split(":")[0])
        if again and order is not None:
            self._retry(self._new_key(), order["id"], ways_again)
        self._go(run, ways)

    # staff

    @precondition(lambda self: self.before.tasks)
    @rule(which=NUMBERS)
    def requeue(self, which: int) -> None:
        given_up = [task for task in self.before.tasks if task["state"] in ("failed", "cancelled")]
        self._requeue(_pick(given_up or self.before.tasks, which)["id"])

    @precondition(lambda self: self.before.tasks)
    @rule(which=NUMBERS)
    def give_up(self, which: int) -> None:
        task_actions.cancel([_pick(self.before.tasks, which)["id"]], COMMAND_LINE, "staff decided so")

    @precondition(lambda self: self.before.orders)
    @rule(name=st.sampled_from(["stock", "voucher", "bank", "ledger", "texts"]), mode=st.sampled_from(SwitchMode))
    def switch(self, name: str, mode: SwitchMode) -> None:
        self._switch(name, mode)

    # what holds after each of them

    @invariant()
    def everything_holds(self) -> None:
        stage, now = self.stage, self.stage.tables.snapshot()
        try:
            invariants.states_moved_along_the_edges(now)
            invariants.counts_only_grow(now)
            invariants.history_tells_of_every_claim(now, stage.tables.attempts(), stage.tables.repeats())
            invariants.nothing_waits_for_ever(now)
            invariants.states_fit_each_other(now)
            invariants.forward_tasks_are_those_of_confirmed_placements(now, stage.outside)
            invariants.news_is_true(now, stage.outside)
            invariants.effects_are_on_the_books(now, stage.outside, self.runs)
            invariants.nothing_tells_too_early(now, stage.outside, stage.clock)
            invariants.no_probable_duplicate(self.before, now, self.allowed)
        except BaseException:
            self.broken = True
            note(self.stage.tables.story())
            raise
        self.before = now

    def teardown(self) -> None:
        try:
            if not self.broken:
                self._all_is_well_again()
        finally:
            for run in self.runs:
                run.abandon()

    def _all_is_well_again(self) -> None:
        while self.runs:
            self._go(self.runs[0], [])
        for name in self.stage.outside.all:
            self._switch(name, SwitchMode.ON)
        for _round in range(audit.ROUNDS):
            self.stage.clock.advance(61)
            self._timer()
            self._relay(10_000)
            for task_id in self.messages:
                self._run_task(task_id, [])
            self.messages.clear()
            self.everything_holds()
            for task in self.before.tasks:
                if task["state"] in ("failed", "cancelled"):
                    self._requeue(task["id"])
            self.everything_holds()
            if audit.is_quiet(self.before, self.stage.outside):
                break
        audit.audit(self.before, self.stage.outside)
