"""The states of orders, placements, steps, tasks and drifts, and the only edges along which they move.

`orderapp.services.db.transitions` moves a row by compare-and-set against `EDGES`; nothing else writes a state.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class OrderState(StrEnum):
    """Where an order stands, as everybody outside sees it."""

    PLACING = "placing"  # the blocking systems are being called, or the process doing so died
    CONFIRMED = "confirmed"  # every effect is in place
    COMPENSATING = "compensating"  # it failed or was cancelled; something may still be held
    FAILED = "failed"  # nothing is held anywhere; it can be tried again
    CANCELLED = "cancelled"  # was confirmed; nothing is held any more


class PlacementState(StrEnum):
    """Where one pass over the blocking systems stands."""

    PLACING = "placing"
    CONFIRMED = "confirmed"
    COMPENSATING = "compensating"
    COMPENSATED = "compensated"


class StepState(StrEnum):
    """What is known of one system's part in a placement."""

    PLANNED = "planned"  # the intent is committed; nothing is known to have happened
    DONE = "done"
    REFUSED = "refused"
    UNKNOWN = "unknown"  # it may have happened, may yet happen, or may never happen
    COMPENSATED = "compensated"


class TaskKind(StrEnum):
    """What a task is for."""

    SETTLE = "settle"
    COMPENSATE = "compensate"
    NOTIFY = "notify"


class TaskState(StrEnum):
    """Where a task stands."""

    WAITING = "waiting"  # due at a known time
    RUNNING = "running"  # held by a worker under a lease
    DONE = "done"
    FAILED = "failed"  # in staff's hands
    CANCELLED = "cancelled"


class DriftState(StrEnum):
    """Where an effect stands that isn't as our rows say."""

    OPEN = "open"
    REPAIRING = "repairing"  # staff have ordered the repair; a task does it
    GONE = "gone"  # a later look found everything as it should be


State = OrderState | PlacementState | StepState | TaskState | DriftState

# For each kind of state, and each state of that kind, the states it may be reached from. By kind first: words such as
# `failed` are states of several kinds, and as text they are equal.
EDGES: Mapping[type[State], Mapping[State, frozenset[State]]] = {
    OrderState: {
        OrderState.PLACING: frozenset({OrderState.FAILED}),  # the customer tries again
        OrderState.CONFIRMED: frozenset({OrderState.PLACING}),
        # From failed and cancelled only when a late success turns up after the compensation was closed.
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
        # Not from running only where staff have said that there is nothing left to do.
        TaskState.DONE: frozenset({TaskState.RUNNING, TaskState.WAITING, TaskState.FAILED, TaskState.CANCELLED}),
        TaskState.FAILED: frozenset({TaskState.RUNNING}),
        TaskState.CANCELLED: frozenset({TaskState.WAITING, TaskState.RUNNING, TaskState.FAILED}),
    },
    DriftState: {
        DriftState.OPEN: frozenset({DriftState.REPAIRING}),  # seen again after its repair: that didn't help
        DriftState.REPAIRING: frozenset({DriftState.OPEN}),
        DriftState.GONE: frozenset({DriftState.OPEN, DriftState.REPAIRING}),
    },
}

# An order in one of these changes no more by itself.
FINAL_ORDER_STATES = frozenset({OrderState.CONFIRMED, OrderState.FAILED, OrderState.CANCELLED})
# A task in one of these is still to be worked on by somebody.
OPEN_TASK_STATES = frozenset({TaskState.WAITING, TaskState.RUNNING, TaskState.FAILED})
# A step in one of these holds, or may hold, something of the customer's in its system.
HOLDING_STEP_STATES = frozenset({StepState.DONE, StepState.UNKNOWN})


def sources_of(state: State) -> frozenset[State]:
    """Return the states from which `state` may be reached."""
    return EDGES[type(state)][state]
