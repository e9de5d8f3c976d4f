"""How the model does what its rules say: submissions and tasks as runs, the relay with a broker of the model's."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress

import dramatiq
from hypothesis import note
from hypothesis.stateful import RuleBasedStateMachine

from orderapp.domain.inputs import Inputs
from orderapp.domain.orders import Customer, LineRequest, OrderRequest
from orderapp.domain.retry import Guarantee
from orderapp.domain.states import OrderState
from orderapp.errors import CompensationInProgress, InProgress, KeyReused, ProbableDuplicate, WrongState
from orderapp.models import SwitchMode
from orderapp.services.backoffice import task_actions
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.services.engine.backlog import pull_forward
from orderapp.services.engine.outbox import due_hints
from orderapp.services.engine.probes import probe_the_failing
from orderapp.services.engine.recovery import recover
from orderapp.services.engine.run_task import run_task
from orderapp.services.placing.place import Placed, Placing, Result
from orderapp.services.resilience.switches import switch_system
from tests.model.calls import Calls
from tests.model.runs import Run
from tests.model.stage import Stage
from tests.model.tables import Snapshot
from tests.tasks.conftest import relay_once


class Broker:
    """Accepts messages for a given number of tasks; then it is down. `taken` are the tasks."""

    def __init__(self, takes: int) -> None:
        self.takes = takes
        self.taken: list[int] = []

    def enqueue(self, message: dramatiq.Message[object]) -> None:
        if len(self.taken) >= self.takes:
            raise dramatiq.BrokerError("the broker is down")
        self.taken += message.args[0]


class Playing(RuleBasedStateMachine):
    """What has been done so far, and how more is done."""

    stage: Stage  # given by the test

    def __init__(self) -> None:
        super().__init__()
        self.stage.clear()
        self.runs: list[Run] = []
        self.keys: list[str] = []
        self.carts: dict[str, OrderRequest] = {}
        self.allowed: set[str] = set()  # keys that may place a duplicate
        self.messages: list[int] = []
        self.broken = False
        self.before: Snapshot = self.stage.tables.snapshot()
        calls = Calls(self.stage.outside, self.stage.tables, self.stage.clock, self.runs)
        self.stage.outside.called, self.stage.outside.posts = calls.begins, calls.posts

    def _new_key(self) -> str:
        self.keys.append(f"key-{len(self.keys)}")
        return self.keys[-1]

    def _cart(self, email: str, coupon: bool, *, allow_duplicate: bool = False) -> OrderRequest:
        lines = (LineRequest("TEA-GREEN", 2),)
        return OrderRequest(
            Customer("Ada", email), lines, Inputs(coupon="TEN") if coupon else Inputs(), allow_duplicate
        )

    def _submit(self, key: str, cart: OrderRequest, ways: list[str]) -> None:
        self.carts.setdefault(key, cart)
        if cart.allow_duplicate:
            self.allowed.add(key)
        self._place(key, (cart.customer.email, cart.inputs["coupon"]), lambda placing: placing.submit(cart, key), ways)

    def _retry(self, key: str, order_id: str, ways: list[str]) -> None:
        self._place(key, ("retry", order_id), lambda placing: placing.retry(uuid.UUID(order_id), key), ways)

    def _repeat(self, key: str, ways: list[str]) -> None:
        content = self.stage.tables.content(key)
        if content is not None and content[0] == "retry":
            self._retry(key, content[1], ways)
        else:
            self._submit(key, self.carts[key], ways)

    def _unfinished(self) -> list[str]:
        """Return the keys of submissions with a holder, alive or dead."""
        return [row["key"] for row in self.before.submissions if row["lease_until"] is not None]

    def _waiting(self) -> list[int]:
        """Return the tasks that are due; those of query_first systems, with which most can go wrong, first."""
        now, systems = self.stage.clock.text(), self.stage.outside.all
        due = [task for task in self.before.tasks if task["state"] == "waiting" and task["due_at"] <= now]
        due.sort(key=lambda task: systems[task["system"]].guarantee is not Guarantee.QUERY_FIRST)
        return [task["id"] for task in due]

    def _place(self, key: str, content: tuple[str, str], deed: Callable[[Placing], Placed], ways: list[str]) -> None:
        tables = self.stage.tables

        def place() -> None:
            known = tables.content(key)
            try:
                placed = deed(Placing(self.stage.settings))
            except KeyReused:
                assert tables.content(key) not in (None, content), "the content is the same"
            except InProgress:
                assert known in (None, content), "other content is never told to ask again later"
            except (ProbableDuplicate, CompensationInProgress, WrongState):
                assert known is None, "a key that is known has its answer"
            else:
                assert tables.content(key) == content, f"answered as {tables.content(key)}, not as {content}"
                if placed.result is Result.CONFIRMED:
                    assert placed.order.state is OrderState.CONFIRMED

        self._start(Run(self.stage.app, place), ways)

    def _run_task(self, task_id: int, ways: list[str]) -> Run:
        run = Run(self.stage.app, lambda: run_task(task_id, self.stage.settings), task_id)
        self._start(run, ways)
        return run

    def _start(self, run: Run, ways: Sequence[str]) -> None:
        self.runs.append(run)
        self._go(run, ways)

    def _go(self, run: Run, ways: Sequence[str]) -> None:
        outside, tables = self.stage.outside, self.stage.tables
        outside.run = run
        stands = tables.claim(run.task_id, run.key) if run.claim else None
        try:
            run.go_on(ways)
        except BaseException:
            self.broken = True
            note(self.stage.tables.story())
            raise
        finally:
            outside.run = None
            if run.ended:
                self.runs.remove(run)
        if stands is not None and run.claim is not None and stands[1] != run.claim[1]:
            assert tables.claim(run.task_id, run.key) == stands, "somebody who had lost the lease changed something"

    def _relay(self, takes: int, *, dies: bool = False) -> None:
        if dies:
            # After the broker has taken them, before any row says so.
            self.messages += [hint.task_id for hint in due_hints(self.stage.settings)[:takes]]
            return
        broker, due = Broker(takes), self._due()
        try:
            relay_once(broker, self.stage.settings)  # type: ignore[arg-type]
        except dramatiq.BrokerError:
            assert len(due) > len(broker.taken)
        lost = due - set(broker.taken) - self._due()
        assert not lost, f"the broker doesn't know of {lost}, and it won't be told"
        self.messages += broker.taken

    def _due(self) -> set[int]:
        rows = self.stage.tables.rows("SELECT id FROM tasks WHERE publish_at <= ?", self.stage.clock.text())
        return {row["id"] for row in rows}

    def _timer(self) -> None:
        recover(self.stage.settings)
        probe_the_failing(self.stage.settings)
        pull_forward(self.stage.settings)

    def _switch(self, name: str, mode: SwitchMode) -> None:
        with suppress(WrongState):  # where it stands so already
            switch_system(name, mode, COMMAND_LINE, "staff decided so", self.stage.settings)

    def _requeue(self, task_id: int) -> None:
        result = task_actions.requeue([task_id], COMMAND_LINE, "staff would do so", self.stage.settings)
        if risk := result.items[0].risk:
            result = task_actions.requeue([task_id], COMMAND_LINE, "staff decided so", self.stage.settings, risk)
        for task in self.before.tasks:
            if task["id"] == task_id and result.items[0].done:
                self.stage.outside.all[task["system"]].allowed[task["key"]] += 1
