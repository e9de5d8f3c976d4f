"""Writes orders, tasks and attempts straight into the tables, in any state."""

from __future__ import annotations

import json
import uuid
from typing import Any

from sqlalchemy import select

from orderapp.domain.identity import new_id
from orderapp.domain.keys import effect_key, new_order_number
from orderapp.domain.states import OrderState, PlacementState, StepState, TaskKind, TaskState
from orderapp.models import Attempt, AuditEntry, Order, Placement, Step, Task, db_now
from orderapp.services.db.transactions import reading, writing

PLACEMENT_STATES = {
    OrderState.PLACING: PlacementState.PLACING,
    OrderState.CONFIRMED: PlacementState.CONFIRMED,
    OrderState.COMPENSATING: PlacementState.COMPENSATING,
    OrderState.FAILED: PlacementState.COMPENSATED,
    OrderState.CANCELLED: PlacementState.COMPENSATED,
}
LOOKS = {
    TaskState.WAITING: {"due_at": db_now(3600), "publish_at": db_now(3600)},
    TaskState.RUNNING: {"due_at": db_now(), "lease_until": db_now(60)},
    TaskState.DONE: {"finished_at": db_now()},
    TaskState.FAILED: {"last_code": "http_500", "last_message": "answered 500"},
    TaskState.CANCELLED: {"finished_at": db_now()},
}


class Rows:
    """Each method commits at once and returns ids."""

    def order(self, state: OrderState = OrderState.CONFIRMED, **values: Any) -> uuid.UUID:
        """An order of one step at the inventory."""
        number = new_order_number()
        customer = {"customer_name": "Ann", "customer_email": "ann@example.com", "customer_phone": ""}
        money = {"currency": "EUR", "subtotal_minor": 1000, "total_minor": 1000, "inputs": "{}"}
        moments = {"created_at": db_now(), "updated_at": db_now()}
        ends_as = OrderState.CANCELLED.value if state is OrderState.COMPENSATING else None
        with writing() as session:
            order = Order(
                **{
                    "id": new_id(),
                    "number": number,
                    "state": state.value,
                    "ends_as": ends_as,
                    "placement_number": 1,
                    **customer,
                    **money,
                    **moments,
                    **values,
                }
            )
            session.add(order)
            session.flush()
            placement = Placement(
                order_id=order.id,
                number=1,
                state=PLACEMENT_STATES[state].value,
                started_at=db_now(),
                decided_at=db_now(),
            )
            session.add(placement)
            session.flush()
            key = effect_key(number, 1, "inventory")
            step = {"system": "inventory", "position": 1, "key": key, "state": StepState.DONE.value, "outcome": "done"}
            session.add(Step(order_id=order.id, placement_id=placement.id, decided_at=db_now(), **step))
            return order.id

    def task(
        self,
        state: TaskState = TaskState.FAILED,
        kind: TaskKind = TaskKind.SETTLE,
        order_id: uuid.UUID | None = None,
        **values: Any,
    ) -> int:
        """A task, by default of a new order in the state that fits it."""
        compensate = kind is TaskKind.COMPENSATE
        order_id = order_id or self.order(OrderState.COMPENSATING if compensate else OrderState.CONFIRMED)
        systems = {TaskKind.NOTIFY: "email", TaskKind.COMPENSATE: "inventory"}
        system = systems.get(kind, "settlement")
        with writing() as session:
            number = session.execute(select(Order.number).where(Order.id == order_id)).scalar_one()
            placement = session.scalars(select(Placement).where(Placement.order_id == order_id)).one()
            step = session.scalars(select(Step).where(Step.order_id == order_id)).one()
            task = Task(
                **{
                    "order_id": order_id,
                    "placement_id": placement.id,
                    "step_id": step.id if compensate else None,
                    "kind": kind.value,
                    "system": system,
                    "key": effect_key(number, 1, system),
                    "state": state.value,
                    "attempts": 12,
                    "attempt_limit": 12,
                    "claims": 12,
                    "fencing": 12,
                    "created_at": db_now(),
                    **LOOKS[state],
                    **values,
                }
            )
            session.add(task)
            session.flush()
            return task.id

    def attempt(self, task_id: int, **values: Any) -> int:
        """An attempt of a task."""
        task = self.read(Task, task_id)
        exchange = {"request": "POST /v1/settlements", "response": "500", "duration_ms": 12}
        with writing() as session:
            attempt = Attempt(
                **{
                    "order_id": task.order_id,
                    "task_id": task_id,
                    "system": task.system,
                    "number": 1,
                    "verb": "act",
                    "started_at": db_now(),
                    "duration_ms": 12,
                    "worker": "host:1:main",
                    "outcome": "unknown",
                    "code": "http_500",
                    "message": "answered 500",
                    "exchanges": json.dumps([exchange]),
                    **values,
                }
            )
            session.add(attempt)
            session.flush()
            return attempt.id

    def read(self, model: Any, key: Any) -> Any:
        """A row as it is now."""
        with reading() as session:
            return session.get_one(model, key)

    def number(self, order_id: uuid.UUID) -> str:
        """An order's number."""
        found: str = self.read(Order, order_id).number
        return found

    def audit(self, act: str) -> list[AuditEntry]:
        """The audit's rows of an act, oldest first."""
        with reading() as session:
            return list(session.scalars(select(AuditEntry).where(AuditEntry.act == act).order_by(AuditEntry.id)))
