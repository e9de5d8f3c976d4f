"""The states of orders, tasks, mismatches, deliveries and operations, and the only edges between them.

Only `orderapp.services.db.transitions` writes states: it moves a row by compare-and-set along `EDGES`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class OrderState(StrEnum):
    """The state of an order, as it is shown outside."""

    PLACING = "placing"  # the blocking systems are being called, or the calling process died
    CONFIRMED = "confirmed"  # every effect is in place
    COMPENSATING = "compensating"  # it failed or was cancelled; something may still be held
    FAILED = "failed"  # nothing is held anywhere; it can be retried
    CANCELLED = "cancelled"  # was confirmed; nothing is held any more


class PlacementState(StrEnum):
    """The state of one pass over the blocking systems."""

    PLACING = "placing"
    CONFIRMED = "confirmed"
    COMPENSATING = "compensating"
    COMPENSATED = "compensated"


class StepState(StrEnum):
    """What is known about one system's part in a placement."""

    PLANNED = "planned"  # committed before the call; nothing is known to have happened
    DONE = "done"
    REFUSED = "refused"
    UNKNOWN = "unknown"  # it may have happened, may yet happen, or may never happen
    COMPENSATED = "compensated"


class TaskKind(StrEnum):
    """What a task is for."""

    SETTLE = "settle"
    TASK = "task"
    COMPENSATE = "compensate"
    NOTIFY = "notify"
    JOB = "job"  # a job of ours or of a plugin; it belongs to no order


class News(StrEnum):
    """What a message tells the customer: one of the ends that an order can come to."""

    CONFIRMED = "confirmed"  # every effect is in place
    FAILED = "failed"  # it could not be placed, and can be tried again
    CANCELLED = "cancelled"  # by its customer, by staff, or because a system refused its part
    REFUNDED = "refunded"  # what was paid for a cancelled order is returned


# Tasks of these kinds bring about an effect that stays, is compared, and is compensated when the order is cancelled.
LASTING_KINDS = frozenset({TaskKind.SETTLE, TaskKind.TASK})


class TaskState(StrEnum):
    """The state of a task."""

    WAITING = "waiting"  # due at a known time
    RUNNING = "running"  # held by a worker under a lease
    DONE = "done"
    FAILED = "failed"  # in staff's hands
    CANCELLED = "cancelled"


class MismatchState(StrEnum):
    """The state of a mismatch."""

    OPEN = "open"
    CORRECTING = "correcting"  # staff have ordered the correction; a task does it
    GONE = "gone"  # a later comparison found no mismatch


class DeliveryState(StrEnum):
    """The state of an event's delivery to one subscription."""

    WAITING = "waiting"  # for its turn, or for its next attempt
    DELIVERED = "delivered"
    DROPPED = "dropped"  # given up by staff, or its subscription was removed


class OperationState(StrEnum):
    """The state of an operation: one act of staff on many tasks."""

    DRAFT = "draft"  # its list is frozen and shown; nothing is done yet
    RUNNING = "running"  # it goes on with the next task, or watches what becomes of them
    PAUSED = "paused"  # by staff; what it has acted on is still watched
    ENDED = "ended"  # what became of each task is known


class ItemState(StrEnum):
    """What became of one task of an operation."""

    PLANNED = "planned"  # its turn is still to come
    LEFT_OUT = "left_out"  # nothing is done to it, for the reason that was shown before the start
    REFUSED = "refused"  # the act wasn't possible any more when its turn came
    STOPPED = "stopped"  # staff stopped the operation before its turn
    ACTED = "acted"  # the act is done; what becomes of the task isn't known yet
    DONE = "done"
    FAILED = "failed"  # it came back into staff's hands
    GIVEN_UP = "given_up"
    OPEN = "open"  # it was still under way when the operation stopped watching it


State = OrderState | PlacementState | StepState | TaskState | MismatchState | DeliveryState | OperationState | ItemState

# For each kind of state, and each state of that kind, the states it may be reached from. By kind first, because several
# kinds have a state such as `failed`, and as text these are equal.
EDGES: Mapping[type[State], Mapping[State, frozenset[State]]] = {
    OrderState: {
        OrderState.PLACING: frozenset({OrderState.FAILED}),  # the customer tries again
        OrderState.CONFIRMED: frozenset({OrderState.PLACING}),
        # From failed and cancelled only if a late success appears after the compensation was closed.
        OrderState.COMPENSATING: frozenset(
            {OrderState.PLACING, OrderState.CONFIRMED, OrderState.FAILED, OrderState.CANCELLED}
        ),
        OrderState.FAILED: frozenset({OrderState.PLACING, OrderState.COMPENSATING}),
        OrderState.CANCELLED: frozenset({OrderState.COMPENSATING}),
    },
    PlacementState: {
        PlacementState.PLACING: frozenset(),
        PlacementState.CONFIRMED: frozenset({PlacementState.PLACING}),
        PlacementState.COMPENSATING: frozenset(
            {PlacementState.PLACING, PlacementState.CONFIRMED, PlacementState.COMPENSATED}
        ),
        PlacementState.COMPENSATED: frozenset({PlacementState.PLACING, PlacementState.COMPENSATING}),
    },
    StepState: {
        StepState.PLANNED: frozenset(),
        StepState.DONE: frozenset({StepState.PLANNED}),
        StepState.REFUSED: frozenset({StepState.PLANNED}),
        # From compensated only for a late success: it is recorded and compensated again.
        StepState.UNKNOWN: frozenset({StepState.PLANNED, StepState.REFUSED, StepState.COMPENSATED}),
        StepState.COMPENSATED: frozenset({StepState.DONE, StepState.UNKNOWN}),
    },
    TaskState: {
        TaskState.WAITING: frozenset({TaskState.RUNNING, TaskState.FAILED, TaskState.DONE, TaskState.CANCELLED}),
        TaskState.RUNNING: frozenset({TaskState.WAITING}),
        # From a state other than running only if staff say that nothing is left to do.
        TaskState.DONE: frozenset({TaskState.RUNNING, TaskState.WAITING, TaskState.FAILED, TaskState.CANCELLED}),
        TaskState.FAILED: frozenset({TaskState.RUNNING}),
        TaskState.CANCELLED: frozenset({TaskState.WAITING, TaskState.RUNNING, TaskState.FAILED}),
    },
    MismatchState: {
        MismatchState.OPEN: frozenset({MismatchState.CORRECTING}),  # seen again after its correction, which didn't help
        MismatchState.CORRECTING: frozenset({MismatchState.OPEN}),
        MismatchState.GONE: frozenset({MismatchState.OPEN, MismatchState.CORRECTING}),
    },
    DeliveryState: {
        DeliveryState.WAITING: frozenset(),
        DeliveryState.DELIVERED: frozenset({DeliveryState.WAITING}),
        DeliveryState.DROPPED: frozenset({DeliveryState.WAITING}),
    },
    OperationState: {
        OperationState.DRAFT: frozenset(),
        OperationState.RUNNING: frozenset({OperationState.DRAFT, OperationState.PAUSED}),
        OperationState.PAUSED: frozenset({OperationState.RUNNING}),
        OperationState.ENDED: frozenset({OperationState.RUNNING, OperationState.PAUSED}),
    },
    ItemState: {
        ItemState.PLANNED: frozenset(),
        # An item leaves `planned` once, in the transaction that acts on its task.
        **{
            state: frozenset({ItemState.PLANNED})
            for state in (ItemState.LEFT_OUT, ItemState.REFUSED, ItemState.STOPPED, ItemState.ACTED)
        },
        **{
            state: frozenset({ItemState.ACTED})
            for state in (ItemState.DONE, ItemState.FAILED, ItemState.GIVEN_UP, ItemState.OPEN)
        },
    },
}

# The end of an order that each news is about.
END_TOLD: Mapping[News, OrderState] = {
    News.CONFIRMED: OrderState.CONFIRMED,
    News.FAILED: OrderState.FAILED,
    News.CANCELLED: OrderState.CANCELLED,
    News.REFUNDED: OrderState.CANCELLED,
}
# An order in one of these states doesn't change any more by itself.
FINAL_ORDER_STATES = frozenset({OrderState.CONFIRMED, OrderState.FAILED, OrderState.CANCELLED})
# A task in one of these states still needs work, by a worker or by staff.
OPEN_TASK_STATES = frozenset({TaskState.WAITING, TaskState.RUNNING, TaskState.FAILED})
# An operation in one of these states isn't over.
OPERATIONS_UNDER_WAY = frozenset({OperationState.RUNNING, OperationState.PAUSED})
# A step in one of these states holds, or may hold, something in its system.
HOLDING_STEP_STATES = frozenset({StepState.DONE, StepState.UNKNOWN})


def sources_of(state: State) -> frozenset[State]:
    """Return the states from which `state` may be reached."""
    return EDGES[type(state)][state]
