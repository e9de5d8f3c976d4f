"""A whole shop in one process, on SQLite, with the sandbox standing in for all of its systems."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import requests
from flask import Flask
from sqlalchemy import select, update
from standardwebhooks import Webhook

from orderapp import current_settings
from orderapp.domain.states import OrderState
from orderapp.models import Attempt, Order, Submission, Task, db_now
from orderapp.sandbox.faults import HTTP_FAULTS
from orderapp.services.db.transactions import reading, writing
from orderapp.services.engine.backlog import pull_forward
from orderapp.services.engine.batch import run_hint
from orderapp.services.engine.enqueue import enqueue_alone
from orderapp.services.engine.outbox import due_hints
from orderapp.services.engine.probes import probe_the_failing
from orderapp.services.engine.recovery import recover
from orderapp.services.orders.cancel import cancel_order
from orderapp.services.orders.request_schema import read_order
from orderapp.services.orders.views import OrderView, find_order
from orderapp.services.placing.place import Placed, Placing
from orderapp.systems.base import Part
from orderapp.systems.jobs import Job

QUIET_SECONDS = 30.0  # far longer than all pauses of the settings below together
CALL_SECONDS = 10
# What `disturb` can do to a system over HTTP: each fault with what it does.
FAULTS = {name: kind.about for name, kind in HTTP_FAULTS.items()}


class Killed(BaseException):
    """The process ends here: nothing catches it, so what isn't committed by now never will be."""


@dataclass(frozen=True, slots=True)
class JobResult:
    """What became of a job's task: its state, and what each attempt returned or raised, oldest first."""

    state: str  # `done`, or `failed` once staff have it; in a history also `waiting` and `running`
    said: tuple[str, ...]  # a raised error's name and text, or what the job returned, as JSON unless it is a text


class TestedShop:
    """A running shop; use it inside `running_shop`.

    Attributes:
        app: The Flask application, for `app.test_client()`.
        settings: All settings; `settings.systems["loyalty"]` is the system.
    """

    __test__ = False  # for pytest: it isn't a test

    def __init__(self, app: Flask, sandbox_url: str) -> None:
        self.app = app
        self.settings = current_settings()
        self._sandbox_url = sandbox_url
        self._numbers = itertools.count(1)

    def place(self, **members: Any) -> Placed:
        """Place an order of another customer each time; keywords are inputs, or members of the API's body.

        Raises:
            InvalidRequest: a value is wrong, or its system doesn't know it; nothing was recorded.
            Killed: `die` said so.
        """
        number = next(self._numbers)
        customer = {"name": "Ada Lovelace", "email": f"ada{number}@example.com"}
        content: dict[str, Any] = {"customer": customer, "lines": [{"sku": "TEA-GREEN", "quantity": 2}]}
        for name, value in members.items():
            declared = self.settings.systems.inputs.get(name)
            (customer if declared and declared.customer else content)[name] = value
        request = read_order(content, self.settings.systems.inputs)
        with lapsing_leases():
            return Placing(self.settings).submit(request, f"key-{number}")

    def cancel(self, order: OrderView) -> None:
        """Cancel a confirmed order."""
        cancel_order(order.id, self.settings)

    def orders(self) -> list[OrderView]:
        """Return all orders, oldest first."""
        with reading() as session:
            ids = session.scalars(select(Order.id).order_by(Order.created_at)).all()
        return [find_order(order_id) for order_id in ids]

    def see(self, order: OrderView) -> OrderView:
        """Return the order as it is now."""
        return find_order(order.id)

    def work(self) -> None:
        """Do once what the timer, the relay and the workers do; a worker that dies is followed by another."""
        recover(self.settings)
        probe_the_failing(self.settings)
        pull_forward(self.settings)
        for hint in due_hints(self.settings):
            with suppress(Killed), lapsing_leases():
                run_hint(hint, self.settings)

    def work_until(self, is_reached: Callable[[], bool]) -> None:
        """Work until something is reached. TimeoutError after half a minute."""
        ends_at = time.monotonic() + QUIET_SECONDS
        while not is_reached():
            if time.monotonic() > ends_at:
                raise TimeoutError(f"not reached within {QUIET_SECONDS:g} seconds")
            self.work()
            time.sleep(0.01)

    def work_until_done(self, order: OrderView) -> OrderView:
        """Work until the order and all of its tasks have ended or need staff; return the order."""

        def is_done() -> bool:
            now = find_order(order.id)
            under_way = now.state in (OrderState.PLACING, OrderState.COMPENSATING)
            return not under_way and not any(task.state in ("waiting", "running") for task in now.tasks)

        self.work_until(is_done)
        return find_order(order.id)

    def run(self, job: Job, **arguments: Any) -> JobResult:
        """Enqueue a job and work until its task has ended or needs staff; return what became of it.

        One that raises is `failed` once its attempts are used up: `RETRY_ATTEMPTS`, its own, or twelve.

        Raises:
            TimeoutError: neither after half a minute; its text has what the last attempt said.
        """
        task_id = enqueue_alone(job, arguments)
        try:
            self.work_until(lambda: _result(task_id).state not in ("waiting", "running"))
        except TimeoutError as error:
            said = _result(task_id).said
            raise TimeoutError(f"job {job.name}: {error}; {said[-1] if said else 'no attempt has ended'}") from None
        return _result(task_id)

    def history(self, job: Job) -> list[JobResult]:
        """Return what became of all tasks of a job, oldest first."""
        with reading() as session:
            ids = session.scalars(select(Task.id).where(Task.system == job.name).order_by(Task.id)).all()
        return [_result(task_id) for task_id in ids]

    def callback(self, system: str, body: Mapping[str, Any], *, secret: str = "") -> int:
        """Post a callback to a system, as its partner does; return the status of the answer.

        Args:
            system: Its name.
            body: Its JSON.
            secret: Signs it as Standard Webhooks say, `whsec_` and Base64; without one it isn't signed.
        """
        sent, message, now = json.dumps(body), f"msg_{next(self._numbers)}", dt.datetime.now(dt.UTC)
        headers = {"webhook-id": message, "webhook-timestamp": str(int(now.timestamp()))}
        if secret:
            headers["webhook-signature"] = Webhook(secret).sign(message, now, sent)
        return self.app.test_client().post(f"/callbacks/{system}", data=sent, headers=headers).status_code

    def held(self, order: OrderView) -> Mapping[str, int]:
        """Return how many effects each system holds for an order; messages aren't among them."""
        net: dict[str, int] = {}
        for row in self._told("ledger.json", order_ref=order.number)["net"]:
            net[row["system"]] = net.get(row["system"], 0) + row["net"]
        messages = {one.name for one in self.settings.systems.values() if one.part is Part.NOTIFY}
        return {name: count for name, count in net.items() if count and name not in messages}

    def rows(self, system: str) -> dict[str, Any]:
        """Return the rows that a plugin's stand-in keeps, by key."""
        return {row["key"]: json.loads(row["content"]) for row in self._told(f"state/{system}.json")["rows"]}

    def effects(self, system: str) -> list[dict[str, Any]]:
        """Return what a system did and undid, oldest first: `effect` is `do` or `undo`, `content` what was sent."""
        effects: list[dict[str, Any]] = self._told("ledger.json", system=system)["effects"]
        return effects

    def set(self, section: str, key: str, value: float) -> None:
        """Set a number that the sandbox keeps: `stock` by SKU, `options` by name."""
        self._do(f"state/{section}", key=key, value=value)

    def disturb(self, system: str, fault: str, **values: Any) -> None:
        """Give a system a fault, until another one or `heal`.

        Args:
            system: Its name.
            fault: One of `FAULTS`.
            values: `rate`, the share of the calls that get it (1); `seconds`, for faults that take time; `scope`, of
                which calls: all, writes, do, undo, reads (the fault's own); `detail`, for faults that have one.

        Raises:
            ValueError: there is no such system, fault or value.
        """
        self._do(f"faults/{system}", fault=fault, **values)

    def heal(self) -> None:
        """Take every system's fault away."""
        self._do("faults/clear")

    def die(self, system: str, verb: str, *, after: bool) -> None:
        """Let the process die at the next `act` or `undo` of a system: before the call, or `after` it. Once.

        While `place` runs, this raises Killed; a worker that dies is followed by another.
        """
        connector = self.settings.systems[system]
        usual = getattr(connector, verb)

        def dying(*arguments: Any) -> Any:
            vars(connector)[verb] = usual
            if after:
                usual(*arguments)
            raise Killed

        vars(connector)[verb] = dying

    def _told(self, path: str, **query: str) -> Any:
        found = requests.get(f"{self._sandbox_url}/{path}", query, timeout=CALL_SECONDS)
        found.raise_for_status()
        return found.json()

    def _do(self, path: str, **values: Any) -> None:
        answered = requests.post(f"{self._sandbox_url}/{path}", json=values, timeout=CALL_SECONDS)
        if not answered.ok:
            raise ValueError(f"{path}: {answered.text}")


@contextmanager
def lapsing_leases() -> Iterator[None]:
    """Do as if the leases of a process that dies inside the block had run out by now."""
    try:
        yield
    except Killed:
        with writing() as session:
            for leased in (Submission, Task):
                session.execute(update(leased).where(leased.lease_until.is_not(None)).values(lease_until=db_now(-1.0)))
        raise


def _result(task_id: int) -> JobResult:
    with reading() as session:
        state = session.scalars(select(Task.state).where(Task.id == task_id)).one()
        said = select(Attempt.message).where(Attempt.task_id == task_id).order_by(Attempt.id)
        return JobResult(state, tuple(session.scalars(said)))
