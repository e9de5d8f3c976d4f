"""What a task's earlier attempts, and others who held its placement, mean for the run that begins now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, exists, func, or_, select
from sqlalchemy.orm import aliased

from orderapp.domain.outcome import Outcome
from orderapp.domain.states import StepState, TaskKind
from orderapp.domain.verbs import Verb
from orderapp.models import Attempt, Step, Submission, Task, seconds_until
from orderapp.services.db.transactions import asking

# The code of the look that a correction of staff's begins with.
CORRECTION = "reconciliation"
_DID = (Attempt.verb == Verb.ACT.value, Attempt.outcome == Outcome.DONE.value)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a task's effect before it is called for."""

    absent_in_seconds: float  # until "the system shows nothing" proves something; 0 or less once it does
    key_age_seconds: float  # since the key was first used in a call
    doubtful: bool  # an earlier attempt may have brought the effect about
    accepted: bool  # an earlier attempt was accepted, to be finished later
    proven: bool  # of a compensation: the effect was brought about by the system's own answer, and not undone since
    several_holders: bool  # more than one process may have called for the effect

    @property
    def used_before(self) -> bool:
        """Whether the system may know the key already."""
        return self.doubtful or self.accepted

    @classmethod
    def of_row(cls, row: Any, *, doubtful: bool, accepted: bool, proven: bool) -> Self:
        """Return it from a row with `absent_in`, `key_age` and `holders`."""
        return cls(
            absent_in_seconds=float(row.absent_in or 0.0),
            key_age_seconds=float(row.key_age or 0.0),
            doubtful=doubtful,
            accepted=accepted,
            proven=proven,
            several_holders=row.holders > 1,
        )


def ask_known(connection: Connection, task_id: int) -> Known:
    """Return what is known of a task that was just claimed.

    Asked after the claim: a statement that had waited for the row would not see what its last holder has written.
    """
    row = connection.execute(_KNOWN, {"task": task_id}).one()
    return Known.of_row(row, doubtful=row.doubtful, accepted=row.accepted, proven=row.proven)


def left_in_doubt() -> ColumnElement[bool]:
    """Return the condition that an attempt of a task may have brought its effect about without anybody knowing."""
    return exists().where(
        Attempt.task_id == Task.id, Attempt.outcome == Outcome.UNKNOWN.value, Attempt.number > Task.cleared_claims
    )


def was_accepted() -> ColumnElement[bool]:
    """Return the condition that a task's effect was accepted already, to be finished later: else it would be done.

    What came before a correction counts no more: staff have ordered it knowing that the effect is missing.
    """
    own = aliased(Attempt)
    corrections = (own.task_id == Task.id, own.code == CORRECTION)
    # Said outright: within another subquery the task would be any task.
    corrected = select(func.coalesce(func.max(own.number), 0)).where(*corrections).correlate(Task).scalar_subquery()
    return exists().where(
        Attempt.task_id == Task.id, *_DID, Attempt.number > Task.cleared_claims, Attempt.number > corrected
    )


def _proven() -> ColumnElement[bool]:
    """Return the condition that what a task is to undo is in place by the system's own answer, for all that we know."""
    own, settling = aliased(Attempt), aliased(Task)
    undone = (own.task_id == Task.id, own.verb == Verb.UNDO.value, own.outcome == Outcome.DONE.value)
    # An expression, not the column: else the newest is looked for from the table's end, past everybody else's.
    undone_by = select(func.max(own.id + 0)).where(*undone).correlate(Task).scalar_subquery()
    settles = (
        select(settling.id)
        .where(
            settling.placement_id == Task.placement_id,
            settling.system == Task.system,
            settling.kind == TaskKind.SETTLE.value,
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


def _known() -> Select[Any, Any, Any, Any, Any, Any]:
    return (
        select(
            seconds_until(Task.absent_from).label("absent_in"),
            (-seconds_until(Task.key_used_at)).label("key_age"),
            left_in_doubt().label("doubtful"),
            was_accepted().label("accepted"),
            _proven().label("proven"),
            Submission.fencing.label("holders"),
        )
        .join(Submission, Submission.placement_id == Task.placement_id)
        .where(Task.id == bindparam("task"))
    )


_KNOWN = _known()  # built once


def others_get_through(task: Task, verb: Verb, code: str) -> bool:
    """Return whether a system that refused this task before, as if it refused us, has worked for others since.

    Then it is about this one task. Transaction: reads only.
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
