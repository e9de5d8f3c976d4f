"""What a task's earlier attempts, and earlier holders of its placement, mean for the run that starts now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, exists, func, or_, select
from sqlalchemy.orm import aliased

from orderapp.domain.outcome import Outcome
from orderapp.domain.states import LASTING_KINDS, StepState, TaskKind
from orderapp.domain.verbs import Verb
from orderapp.models import Attempt, Step, Submission, Task, seconds_until
from orderapp.services.db.transactions import asking

# The code of the reconciliation attempt that a correction by staff begins with.
CORRECTION = "reconciliation"
_DID = (Attempt.verb == Verb.ACT.value, Attempt.outcome == Outcome.DONE.value)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known about a task's effect before the call."""

    absent_in_seconds: float  # until "the system shows nothing" proves something; 0 or less once it does
    key_age_seconds: float  # since the key was first used in a call
    doubtful: bool  # an earlier attempt may have caused the effect
    accepted: bool  # the system accepted an earlier attempt and finishes it later
    proven: bool  # for a compensation: the system answered that the effect is done, and it was not undone since
    undo_doubtful: bool  # an earlier undo may have undone the effect
    several_holders: bool  # more than one process may have made the call

    @property
    def used_before(self) -> bool:
        """Whether the system may already know the key."""
        return self.doubtful or self.accepted

    @classmethod
    def of_row(cls, row: Any, *, doubtful: bool, accepted: bool, proven: bool, undo_doubtful: bool = False) -> Self:
        """Return the value from a row with `absent_in`, `key_age` and `holders`."""
        return cls(
            absent_in_seconds=float(row.absent_in or 0.0),
            key_age_seconds=float(row.key_age or 0.0),
            doubtful=doubtful,
            accepted=accepted,
            proven=proven,
            undo_doubtful=undo_doubtful,
            several_holders=row.holders > 1,
        )


def ask_known(connection: Connection, task_id: int) -> Known:
    """Return what is known about a task that was just claimed.

    This is a statement after the claim: one that has waited for the row would not see what the last holder wrote.
    """
    row = connection.execute(_KNOWN, {"task": task_id}).one()
    return Known.of_row(
        row, doubtful=row.doubtful, accepted=row.accepted, proven=row.proven, undo_doubtful=row.undo_doubtful
    )


def left_in_doubt() -> ColumnElement[bool]:
    """Return the condition that an attempt of a task had an unknown outcome, so it may have caused the effect."""
    return exists().where(
        Attempt.task_id == Task.id, Attempt.outcome == Outcome.UNKNOWN.value, Attempt.number > Task.cleared_claims
    )


def was_accepted() -> ColumnElement[bool]:
    """Return the condition that a system accepted a task's call and finishes it later; else the task would be done.

    Attempts before a correction don't count: staff ordered it because the effect is missing.
    """
    own = aliased(Attempt)
    corrections = (own.task_id == Task.id, own.code == CORRECTION)
    # Explicit, because inside another subquery `Task` would otherwise mean any task.
    corrected = select(func.coalesce(func.max(own.number), 0)).where(*corrections).correlate(Task).scalar_subquery()
    return exists().where(
        Attempt.task_id == Task.id, *_DID, Attempt.number > Task.cleared_claims, Attempt.number > corrected
    )


def _proven() -> ColumnElement[bool]:
    """Return the condition that, by the system's own answer, the effect that a task undoes is in place."""
    own, settling = aliased(Attempt), aliased(Task)
    undone = (own.task_id == Task.id, own.verb == Verb.UNDO.value, own.outcome == Outcome.DONE.value)
    # An expression, not the column, or the planner would scan the table backwards, past the rows of all other tasks.
    undone_by = select(func.max(own.id + 0)).where(*undone).correlate(Task).scalar_subquery()
    settles = (
        select(settling.id)
        .where(
            settling.placement_id == Task.placement_id,
            settling.system == Task.system,
            settling.kind.in_(LASTING_KINDS),
            Attempt.number > settling.cleared_claims,
        )
        .correlate(Task, Attempt)
    )
    acted = exists().where(
        Attempt.order_id == Task.order_id,
        *_DID,
        or_(Attempt.task_id.in_(settles), and_(Attempt.task_id.is_(None), Attempt.step_id == Task.step_id)),
        Attempt.id > func.coalesce(undone_by, 0),
    )
    step_done = exists().where(Step.id == Task.step_id, Step.state == StepState.DONE.value)
    in_place = or_(acted, and_(step_done, undone_by.is_(None)))
    return and_(Task.kind == TaskKind.COMPENSATE.value, in_place)


def _undo_in_doubt() -> ColumnElement[bool]:
    """Return the condition that an earlier undo by the task may have worked although nobody knows."""
    undo = (Attempt.verb == Verb.UNDO.value, Attempt.outcome == Outcome.UNKNOWN.value)
    return exists().where(Attempt.task_id == Task.id, *undo)


def _known() -> Select[Any, Any, Any, Any, Any, Any, Any]:
    return (
        select(
            seconds_until(Task.absent_from).label("absent_in"),
            (-seconds_until(Task.key_used_at)).label("key_age"),
            left_in_doubt().label("doubtful"),
            was_accepted().label("accepted"),
            _proven().label("proven"),
            _undo_in_doubt().label("undo_doubtful"),
            Submission.fencing.label("holders"),
        )
        .join(Submission, Submission.placement_id == Task.placement_id)
        .where(Task.id == bindparam("task"))
    )


_KNOWN = _known()  # built once


def others_get_through(task: Task, verb: Verb, code: str) -> bool:
    """Return whether a system that seemed to refuse us at this task's last refusal has worked for others since.

    Then the refusal concerns only this task. Transaction: reads only.
    """
    own, other = aliased(Attempt), aliased(Attempt)
    refused = (own.task_id == task.id, own.verb == verb.value, own.code == code[:64])
    refused_at = select(func.max(own.started_at)).where(*refused).scalar_subquery()
    worked = (
        other.system == task.system,
        other.verb == verb.value,
        other.worked.is_(True),
        other.started_at > refused_at,
    )
    with asking() as connection:
        return bool(connection.execute(select(exists().where(*worked))).scalar_one())
