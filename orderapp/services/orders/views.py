"""An order as it is shown outside: the same record for the API, the shop and the back office."""

from __future__ import annotations

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, exists, or_, select
from sqlalchemy.orm import Session

from orderapp.domain.inputs import Inputs
from orderapp.domain.money import Money
from orderapp.domain.orders import Customer, Discount, Line, OrderDocument, Reduced
from orderapp.domain.outcome import Outcome, Shortage
from orderapp.domain.states import FINAL_ORDER_STATES, News, OrderState, StepState, TaskKind, TaskState
from orderapp.errors import NotFound
from orderapp.models import Attempt, Order, Placement, Step, SwitchMode, SystemSwitch, Task, table_of
from orderapp.services.db.transactions import reading
from orderapp.services.saga.order_documents import load_row_and_document, load_rows_and_documents
from orderapp.services.saga.values import Confirmed, Held, Stopped

# Built once, on the tables, because every answer needs them.
_ORDERS, _PLACEMENTS, _STEPS = (table_of(model).c for model in (Order, Placement, Step))
_TASKS, _ATTEMPTS = (table_of(model).c for model in (Task, Attempt))
_PLACEMENT = select(
    _PLACEMENTS.id,
    _PLACEMENTS.failed_system,
    _PLACEMENTS.failed_outcome,
    _PLACEMENTS.failed_code,
    _PLACEMENTS.failed_sku,
    _PLACEMENTS.failed_available,
).where(_PLACEMENTS.order_id == bindparam("order"), _PLACEMENTS.number == bindparam("placement"))
_STEPS_OF = (
    select(_STEPS.system, _STEPS.state, _STEPS.code, _STEPS.decided_at)
    .where(_STEPS.placement_id == bindparam("placement"))
    .order_by(_STEPS.position)
)
# Corrections by staff don't concern the customer: a surplus taken back, a step's call repeated.
_REPAIRS = or_(_TASKS.keep > 0, and_(_TASKS.kind == TaskKind.SETTLE.value, _TASKS.step_id.is_not(None)))
# The outcome of a failed task's last attempt. Other tasks are tried again or have ended.
_CAME_TO = select(_ATTEMPTS.outcome).where(_ATTEMPTS.task_id == _TASKS.id).order_by(_ATTEMPTS.number.desc()).limit(1)
_REFUSED = and_(_TASKS.state == TaskState.FAILED.value, _CAME_TO.scalar_subquery() == Outcome.REFUSED.value)
_SWITCHES = table_of(SystemSwitch).c
_FORWARD = _TASKS.kind != TaskKind.COMPENSATE.value
_SWITCHED_OFF = or_(
    _SWITCHES.mode == SwitchMode.PAUSED.value, and_(_SWITCHES.mode == SwitchMode.COMPENSATE_ONLY.value, _FORWARD)
)
_PAUSED = and_(
    _TASKS.state == TaskState.WAITING.value, exists().where(_SWITCHES.system == _TASKS.system, _SWITCHED_OFF)
)


def _tasks_where(condition: ColumnElement[bool]) -> Select[Any]:
    columns = (_TASKS.id, _TASKS.kind, _TASKS.system, _TASKS.state, _TASKS.attempts, _TASKS.placement_id, _TASKS.news,
               _TASKS.finished_at)  # fmt: skip
    judged = (_REFUSED.label("refused"), _PAUSED.label("paused"))
    return select(*columns, *judged).where(condition, ~_REPAIRS).order_by(_TASKS.id)


_TASKS_OF = _tasks_where(_TASKS.order_id == bindparam("order"))


@dataclass(frozen=True, slots=True)
class StepView:
    """One system's part in the present placement."""

    system: str  # its name
    state: StepState  # such as `done`, `unknown`, `refused` or `compensated`
    code: str  # why it isn't done
    at: dt.datetime | None = None  # when that was decided, in UTC; None while nothing is


@dataclass(frozen=True, slots=True)
class TaskView:
    """One task of the order."""

    id: int  # as the back office shows it
    kind: TaskKind  # `settle`, `task`, `notify` or `compensate`
    system: str  # its name
    state: TaskState  # such as `waiting`, `running`, `done` or `failed`
    attempts: int  # how many are used up
    refused: bool = False  # whether staff must handle it because the system refused
    paused: bool = False  # whether it waits because staff have paused its system
    is_present: bool = True  # whether it belongs to the present placement
    news: News = News.CONFIRMED  # what it tells, if it sends a message
    at: dt.datetime | None = None  # when it ended, in UTC; None while it is open


@dataclass(frozen=True, slots=True)
class OrderView(Reduced):
    """An order with its present placement's steps, and its tasks."""

    id: uuid.UUID  # for programs
    number: str  # for people, and the beginning of every key
    client_id: int | None  # the API client that placed it; None for the shop
    state: OrderState  # such as `confirmed`, `failed` or `cancelled`
    ends_as: OrderState | None  # its state once its compensation is complete; None while nothing is being compensated
    placements: int  # how many placements there were, including this one
    customer: Customer  # who ordered
    inputs: Inputs  # what the systems asked the customer for
    lines: tuple[Line, ...]  # what was ordered
    discounts: tuple[Discount, ...]  # what systems took off, payments among them
    subtotal: Money  # of all lines
    total: Money  # what was left to pay
    created_at: dt.datetime  # when it was placed, in UTC
    updated_at: dt.datetime  # when it last changed, in UTC
    steps: tuple[StepView, ...]  # of the blocking systems that it concerns
    tasks: tuple[TaskView, ...]  # of all placements, oldest first
    stopped: Stopped | None  # what ended the present placement; None if nothing did
    language: str = "en"  # in which its customer is written to
    mail_to: str = ""  # the address that its mails go to: that of the customer, or a corrected one
    tax_percent: Decimal = Decimal(0)  # the tax that its prices include; 0 if the shop showed none

    @property
    def is_final(self) -> bool:
        """Whether the order doesn't change any more by itself."""
        return self.state in FINAL_ORDER_STATES

    @property
    def is_erased(self) -> bool:
        """Whether its customer's data was erased: nobody can be written to, and it can't be tried again."""
        return not self.customer.email

    @property
    def has_failed(self) -> bool:
        """Whether its present placement has failed, and it can be tried again once nothing is held any more."""
        ends_as = self.ends_as if self.state is OrderState.COMPENSATING else self.state
        return ends_as is OrderState.FAILED


def find_order(order_id: uuid.UUID) -> OrderView:
    """Return an order. Raises NotFound."""
    with reading() as session:
        return load_view(session, order_id)


def find_order_of_client(order_id: uuid.UUID, client_id: int) -> OrderView:
    """Return an order that this API client placed; NotFound for every other, whether it exists or not."""
    with reading() as session:
        order = session.get(Order, order_id)
        # Before loading more, so that another client's order doesn't take longer than a missing one.
        if order is None or order.client_id != client_id:
            raise NotFound(f"There is no order {order_id}.")
        return load_view(session, order_id)


def view_confirmed(held: Held, confirmed: Confirmed) -> OrderView:
    """Return an order just confirmed in its first placement, from the committed values, without another query."""
    document = held.document
    return OrderView(
        id=held.order_id,
        number=document.number,
        client_id=confirmed.client_id,
        state=OrderState.CONFIRMED,
        ends_as=None,
        placements=1,
        customer=document.customer,
        inputs=document.inputs,
        lines=document.lines,
        discounts=tuple(sorted(document.discounts, key=lambda one: one.source)),  # sorted as when they are loaded
        subtotal=document.subtotal,
        total=document.total,
        created_at=confirmed.created_at,
        updated_at=confirmed.updated_at,
        steps=tuple(StepView(step.system, StepState.DONE, "", confirmed.decided_at) for step in held.steps),
        tasks=tuple(_task_view(row) for row in confirmed.tasks),
        stopped=None,
        language=document.language,
        mail_to=document.mail_to,
        tax_percent=document.tax_percent,
    )


def load_view(session: Session, order_id: uuid.UUID) -> OrderView:
    """Return an order within the caller's transaction. Raises NotFound."""
    order, document = load_row_and_document(session, order_id)
    placement = session.execute(_PLACEMENT, {"order": order_id, "placement": order.placement_number}).one_or_none()
    if placement is None:
        raise NotFound(f"There is no order {order_id} any more.")  # archived between the two statements
    steps = session.execute(_STEPS_OF, {"placement": placement.id})
    return _view(order, document, placement, steps, session.execute(_TASKS_OF, {"order": order_id}))


def load_views(session: Session, order_ids: Sequence[uuid.UUID]) -> list[OrderView]:
    """Return those of these orders that exist, in this sequence. Transaction: within the caller's; four queries."""
    found = load_rows_and_documents(session, order_ids)
    present = and_(_ORDERS.id == _PLACEMENTS.order_id, _ORDERS.placement_number == _PLACEMENTS.number)
    placements = select(_PLACEMENTS.order_id, *_PLACEMENT.selected_columns).where(_PLACEMENTS.order_id.in_(order_ids))
    by_order = {row.order_id: row for row in session.execute(placements.join(table_of(Order), present))}
    wanted = [row.id for row in by_order.values()]
    steps, tasks = defaultdict[int, list[Any]](list), defaultdict[uuid.UUID, list[Any]](list)
    columns = (_STEPS.placement_id, *_STEPS_OF.selected_columns)
    for step in session.execute(select(*columns).where(_STEPS.placement_id.in_(wanted)).order_by(_STEPS.position)):
        steps[step.placement_id].append(step)
    for task in session.execute(_tasks_where(_TASKS.order_id.in_(order_ids)).add_columns(_TASKS.order_id)):
        tasks[task.order_id].append(task)
    return [
        _view(*found[order_id], placement, steps[placement.id], tasks[order_id])
        for order_id in order_ids
        if order_id in found and (placement := by_order.get(order_id)) is not None
    ]


def _view(order: Any, document: OrderDocument, placement: Any, steps: Iterable[Any], tasks: Iterable[Any]) -> OrderView:
    return OrderView(
        id=order.id,
        number=order.number,
        client_id=order.client_id,
        state=OrderState(order.state),
        ends_as=OrderState(order.ends_as) if order.ends_as else None,
        placements=order.placement_number,
        customer=document.customer,
        inputs=document.inputs,
        lines=document.lines,
        discounts=document.discounts,
        subtotal=document.subtotal,
        total=document.total,
        created_at=order.created_at,
        updated_at=order.updated_at,
        steps=tuple(StepView(row.system, StepState(row.state), row.code or "", row.decided_at) for row in steps),
        tasks=tuple(
            replace(
                _task_view(row),
                refused=bool(row.refused),
                paused=bool(row.paused),
                is_present=row.placement_id == placement.id,
                news=News(row.news or News.CONFIRMED),
                at=row.finished_at,
            )
            for row in tasks
        ),
        stopped=_stopped(placement),
        language=document.language,
        mail_to=document.mail_to,
        tax_percent=document.tax_percent,
    )


def _stopped(placement: Any) -> Stopped | None:
    if placement.failed_outcome is None:
        return None
    short = Shortage(placement.failed_sku, placement.failed_available) if placement.failed_sku else None
    outcome, code = Outcome(placement.failed_outcome), placement.failed_code or ""
    return Stopped(placement.failed_system or "", outcome, code, short)


def _task_view(row: Any) -> TaskView:
    return TaskView(row.id, TaskKind(row.kind), row.system, TaskState(row.state), row.attempts)
