"""Whether what was paid for a cancelled order is returned: what our rows prove, and no more."""

from __future__ import annotations

from sqlalchemy import ColumnElement, SQLColumnExpression, and_, exists, or_
from sqlalchemy.orm import aliased

from orderapp.domain.outcome import Outcome
from orderapp.domain.retry import Guarantee
from orderapp.domain.states import TaskKind, TaskState
from orderapp.domain.verbs import Verb
from orderapp.models import Attempt, Task
from orderapp.services.saga.manual_resolutions import has_unproven_resolution
from orderapp.systems.registry import Systems


def is_refunded(placement_id: int, systems: Systems) -> ColumnElement[bool]:
    """Return the condition that a payment of a placement was taken and is returned, and that none is left to return.

    A compensation may also end with nothing there, or because staff say that nothing happened: that returns nothing.
    """
    undoing = aliased(Task)
    # Repairs of a step's call are no payments.
    payment = (Task.placement_id == placement_id, Task.kind == TaskKind.SETTLE.value, Task.step_id.is_(None))
    closed = (
        undoing.placement_id == Task.placement_id,
        undoing.system == Task.system,
        undoing.kind == TaskKind.COMPENSATE.value,
        undoing.state == TaskState.DONE.value,
    )
    returned = exists().where(
        *closed,
        ~has_unproven_resolution(undoing.id),
        _came_to(undoing.id, Verb.UNDO),
    )
    # An answer that came after the task was taken away shows it too. An accepted payment isn't taken yet.
    answered = and_(_came_to(Task.id, Verb.ACT), Task.pending_answers == 0)
    taken = or_(Task.state == TaskState.DONE.value, answered)
    # These are undone only where something was found in place; the others bar the key, whatever is there.
    asked_first = [name for name, system in systems.items() if system.guarantee is Guarantee.QUERY_FIRST]
    told = exists().where(*payment, or_(taken, Task.system.in_(asked_first)), returned)
    # A payment that was never tried has nothing to return.
    open_ = exists().where(*payment, Task.claims > 0, ~exists().where(*closed))
    unproven = exists().where(*payment, taken, ~returned)
    return told & ~open_ & ~unproven


def _came_to(task_id: SQLColumnExpression[int], verb: Verb) -> ColumnElement[bool]:
    """Return the condition that a task's attempt was answered as done."""
    return exists().where(Attempt.task_id == task_id, Attempt.verb == verb.value, Attempt.outcome == Outcome.DONE.value)
