"""The services as the web process and the workers use them, and what tests need to see of the database."""

from __future__ import annotations

import dataclasses
import itertools
import uuid
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from flask import Flask
from sqlalchemy import insert, select, update

from orderapp.config import Settings
from orderapp.domain.orders import Effect, RetryRequest
from orderapp.domain.states import OrderState, TaskState
from orderapp.models import (
    Attempt,
    CartLock,
    Circuit,
    Order,
    Placement,
    Product,
    SkippedItem,
    Step,
    Submission,
    Task,
    db_now,
    seconds_until,
)
from orderapp.services.db.transactions import reading, writing
from orderapp.services.engine.backlog import pull_forward
from orderapp.services.engine.batch import run_hint
from orderapp.services.engine.outbox import Hint, due_hints
from orderapp.services.engine.probes import probe_the_failing
from orderapp.services.engine.recovery import recover
from orderapp.services.orders.cancel import cancel_order
from orderapp.services.orders.request_schema import read_order
from orderapp.services.orders.views import OrderView, find_order
from orderapp.services.placing.place import Placed, Placing
from orderapp.services.placing.submitters import Submitter
from orderapp.services.saga.order_documents import load_document
from orderapp.systems.base import System
from orderapp.systems.declarations import refuse_impossible
from orderapp.systems.job_registry import Jobs
from orderapp.systems.jobs import Job
from orderapp.systems.registry import Systems
from tests.inputs import INPUTS
from tests.servers.loopback import poll_until

PRICES = {"TEA-GREEN": 1000, "TEA-BLACK": 700, "POT-CAST": 5900, "GIFT-BOX": 2500, "SCALE-01": 4500}
CUSTOMERS = itertools.count(1)
OPEN_TASKS = (TaskState.WAITING.value, TaskState.RUNNING.value)
OPEN_ORDERS = (OrderState.PLACING.value, OrderState.COMPENSATING.value)


class Shop:
    """One application on one database. Every method needs the application context that the fixture opened."""

    def __init__(self, app: Flask, settings: Settings) -> None:
        self.app = app
        self.settings = settings

    def stocked(self) -> Shop:
        """Put the products on sale."""
        rows = [{"sku": sku, "name": sku.title(), "price_minor": price} for sku, price in PRICES.items()]
        with writing() as session:
            session.execute(
                insert(Product).values([{**row, "currency": "EUR", "updated_at": db_now()} for row in rows])
            )
        return self

    def with_settings(self, **changed: Any) -> Shop:
        """Return the same shop, as a process with other settings sees it."""
        return Shop(self.app, dataclasses.replace(self.settings, **changed))

    def with_systems(self, *systems: System) -> Shop:
        """Return the same shop with these external systems and no others."""
        ordered = sorted(systems, key=lambda system: system.position)
        for system in ordered:
            refuse_impossible(system)
        return self.with_settings(systems=Systems({system.name: system for system in ordered}))

    def with_system(self, system: System) -> Shop:
        """Return the same shop with one of its systems replaced."""
        return self.with_settings(systems=Systems({**self.settings.systems, system.name: system}))

    def with_jobs(self, *jobs: Job, **backoff: Any) -> Shop:
        """Return the same shop with these jobs, which pause for milliseconds between attempts."""
        quick = {"base_seconds": 0.01, "max_seconds": 0.02, **backoff}
        made = [replace(one, backoff=replace(one.backoff, attempts=one.attempts or 12, **quick)) for one in jobs]
        changed = self.with_settings(jobs=Jobs(made))
        # `enqueue` asks the application for them.
        self.app.extensions["orderapp.settings"] = changed.settings
        return changed

    def content(self, **content: Any) -> dict[str, Any]:
        """Return a submission's content, of another customer each time; keywords replace members."""
        customer = {"name": "Ada Lovelace", "email": f"ada{next(CUSTOMERS)}@example.com", "member_ref": "M-1001"}
        return {"customer": customer, "lines": [{"sku": "TEA-GREEN", "quantity": 2}], **content}

    def submit(
        self,
        key: str | None = None,
        content: dict[str, Any] | None = None,
        client_id: int | None = None,
        replaces: uuid.UUID | None = None,
        **members: Any,
    ) -> Placed:
        """Submit a content, or a new one with these members, under a key, or a new one."""
        declared = {**INPUTS, **self.settings.systems.inputs}
        request = read_order(self.content(**members) if content is None else content, declared)
        return Placing(self.settings).submit(request, key or uuid.uuid4().hex, Submitter(client_id), replaces)

    def retry(self, order_id: uuid.UUID, key: str | None = None, **wishes: Any) -> Placed:
        """Try a failed order again."""
        return Placing(self.settings).retry(order_id, key or uuid.uuid4().hex, wishes=RetryRequest(**wishes))

    def cancel(self, order_id: uuid.UUID) -> OrderView:
        """Cancel a confirmed order."""
        return cancel_order(order_id, self.settings)

    def due(self) -> list[Hint]:
        """Return what the broker is told of next."""
        return due_hints(self.settings)

    def work(self) -> int:
        """Do what the timer, the relay and the workers do in one round; return how many tasks were run."""
        recover(self.settings)
        probe_the_failing(self.settings)
        pull_forward(self.settings)
        return sum(run_hint(hint, self.settings) is not None for hint in due_hints(self.settings))

    def work_until_quiet(self, within_seconds: float = 15) -> None:
        """Work until no task is open but in staff's hands and no order is under way; AssertionError after too long."""
        assert poll_until(self._quiet, within_seconds=within_seconds, interval_seconds=0.02), self._unfinished()

    def work_until_quiet_but_for_staff(self, rounds: int = 20) -> None:
        """Work, with all waiting done away with, until only staff's hands hold anything up."""
        for _ in range(rounds):
            self.let_late_windows_pass()
            if not self.work() and not self.tasks(state=TaskState.WAITING.value):
                return
        raise AssertionError(self._unfinished())

    def _quiet(self) -> bool:
        self.work()
        return not self._unfinished()

    def _unfinished(self) -> list[Any]:
        orders = select(Order.number, Order.state).where(Order.state.in_(OPEN_ORDERS))
        tasks = select(Task.kind, Task.system, Task.state, Task.last_message).where(Task.state.in_(OPEN_TASKS))
        with reading() as session:
            return [*map(tuple, session.execute(orders)), *map(tuple, session.execute(tasks))]

    def view(self, order_id: uuid.UUID) -> OrderView:
        return find_order(order_id)

    def the_order(self) -> OrderView:
        """Return the only order there is."""
        with reading() as session:
            order_id = session.execute(select(Order.id)).scalar_one()
        return find_order(order_id)

    def order_count(self) -> int:
        with reading() as session:
            return len(session.scalars(select(Order.id)).all())

    def orders_in(self, state: OrderState) -> int:
        with reading() as session:
            return len(session.scalars(select(Order.id).where(Order.state == state.value)).all())

    def tasks(self, order_id: uuid.UUID | None = None, **wanted: str) -> list[Task]:
        """Return tasks, of all orders or one, whose columns are as given; oldest first."""
        if order_id is not None:
            wanted = {**wanted, "order_id": order_id}  # type: ignore[dict-item]
        with reading() as session:
            return list(session.scalars(select(Task).filter_by(**wanted).order_by(Task.id)))

    def task(self, **wanted: str) -> Task:
        """Return the only task that is so."""
        [task] = self.tasks(**wanted)
        return task

    def attempts(self, **wanted: Any) -> list[Attempt]:
        with reading() as session:
            return list(session.scalars(select(Attempt).filter_by(**wanted).order_by(Attempt.id)))

    def steps(self, order_id: uuid.UUID) -> list[Step]:
        """Return the steps of all placements, oldest first."""
        with reading() as session:
            return list(session.scalars(select(Step).where(Step.order_id == order_id).order_by(Step.id)))

    def effect(self, step: Step) -> Effect:
        """Return what a step's system was asked to do."""
        with reading() as session:
            return Effect(step.key, load_document(session, step.order_id))

    def placements(self, order_id: uuid.UUID) -> list[Placement]:
        with reading() as session:
            return list(
                session.scalars(select(Placement).where(Placement.order_id == order_id).order_by(Placement.number))
            )

    def seconds_until_due(self, task_id: int) -> float | None:
        """Return in how many seconds a task is due, by the database's clock."""
        with reading() as session:
            return session.execute(select(seconds_until(Task.due_at)).where(Task.id == task_id)).scalar_one()

    def seconds_until_absence_counts(self, task_id: int) -> float:
        """Return in how many seconds "the system shows nothing" proves something."""
        with reading() as session:
            left = select(seconds_until(Task.absent_from)).where(Task.id == task_id)
            return float(session.execute(left).scalar_one())

    def seconds_until_told(self, task_id: int) -> float:
        """Return in how many seconds the broker is told of a task."""
        with reading() as session:
            return float(session.execute(select(seconds_until(Task.publish_at)).where(Task.id == task_id)).scalar_one())

    def seconds_of_lease_left(self) -> float:
        """Return how much of the only lease of a task is left, by the database's clock."""
        with reading() as session:
            left = select(seconds_until(Task.lease_until)).where(Task.lease_until.is_not(None))
            return float(session.execute(left).scalar_one())

    def let_submission_leases_lapse(self, seconds_ago: float = 0.01) -> None:
        """Do as if every lease of a submission had run out so long ago, by the database's clock."""
        self._execute(update(Submission).where(Submission.lease_until.is_not(None)), lease_until=db_now(-seconds_ago))

    def let_time_pass(self, seconds: float) -> None:
        """Do as if every waiting task had been written so much earlier."""
        waiting = update(Task).where(Task.state == TaskState.WAITING.value)
        self._execute(
            waiting,
            due_at=db_now(seconds_until(Task.due_at) - seconds),
            publish_at=db_now(seconds_until(Task.publish_at) - seconds),
        )

    def let_task_leases_lapse(self) -> None:
        self._execute(update(Task).where(Task.lease_until.is_not(None)), lease_until=db_now(-0.01))

    def let_cart_locks_expire(self) -> None:
        """Do as if the window had passed since each order was begun and decided."""
        window_seconds = self.settings.duplicate_window_seconds
        self._execute(update(CartLock), expires_at=db_now(-0.01))
        decided = update(Placement).where(Placement.decided_at.is_not(None))
        self._execute(decided, decided_at=db_now(-window_seconds - 0.01))

    def change_price(self, sku: str, price_minor: int) -> None:
        self._execute(update(Product).where(Product.sku == sku), price_minor=price_minor)

    def let_cart_locks_of_the_beginning_expire(self) -> None:
        """Do as if the window had passed since each order was begun."""
        self._execute(update(CartLock), expires_at=db_now(-0.01))

    def age_orders(self, seconds: float, *order_ids: uuid.UUID) -> None:
        """Do as if these orders, or all, had been placed so long ago."""
        which = Order.id.in_(order_ids) if order_ids else Order.id.is_not(None)
        self._execute(update(Order).where(which), created_at=db_now(-seconds))

    def let_late_windows_pass(self) -> None:
        """Do as if what may still appear had had its time."""
        self._execute(update(Task).where(Task.absent_from.is_not(None)), absent_from=db_now(-0.01))
        self.make_due()

    def let_keys_die(self) -> None:
        """Do as if every key that was used had been used a day earlier."""
        self.age_keys(86_400.0)

    def age_keys(self, seconds: float) -> None:
        """Do as if every key that was used had been used so much earlier."""
        used = update(Task).where(Task.key_used_at.is_not(None))
        self._execute(used, key_used_at=db_now(seconds_until(Task.key_used_at) - seconds))
        self._execute(update(Placement), started_at=db_now(seconds_until(Placement.started_at) - seconds))

    def let_skipped_items_be_tried_again(self) -> None:
        self._execute(update(SkippedItem), again_at=db_now())

    def circuit(self, system: str) -> Circuit | None:
        """Return a system's circuit; None while it has never opened."""
        with reading() as session:
            return session.get(Circuit, system)

    def let_probes_be_due(self) -> None:
        """Do as if the pauses between the probes of failing systems were over."""
        self._execute(update(Circuit), probe_at=db_now(), order_probe_at=db_now(), check_at=db_now())

    def make_due(self) -> None:
        """Do as if every waiting task's time had come."""
        self._execute(update(Task).where(Task.state == TaskState.WAITING.value), due_at=db_now(), publish_at=db_now())

    def _execute(self, statement: Any, **values: Any) -> None:
        with writing() as session:
            session.execute(statement.values(**values).execution_options(synchronize_session=False))


def names(tasks: Iterable[Task]) -> set[tuple[str, str, str]]:
    """Return kind, system and state of tasks."""
    return {(task.kind, task.system, task.state) for task in tasks}
