"""What a task's earlier attempts, and others who held its placement, mean for the run that begins now."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any, Self

from sqlalchemy import ColumnElement, Connection, Select, bindparam, exists, select

from orderapp.domain.outcome import Outcome
from orderapp.models import Attempt, Submission, Task, seconds_until


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a task's effect before it is called for."""

    absent_in_seconds: float  # until "the system shows nothing" proves something; 0 or less once it does
    key_left_seconds: float  # until the system may have forgotten the key
    doubtful: bool  # an earlier attempt may have brought the effect about
    accepted: bool  # an earlier attempt was accepted, to be finished later
    several_holders: bool  # more than one process may have called for the effect

    @property
    def used_before(self) -> bool:
        """Whether the system may know the key already."""
        return self.doubtful or self.accepted

    @classmethod
    def of_row(cls, row: Any, *, doubtful: bool, accepted: bool) -> Self:
        """Return it from a row with `absent_in`, `key_left` and `holders`."""
        return cls(
            absent_in_seconds=float(row.absent_in or 0.0),
            key_left_seconds=inf if row.key_left is None else float(row.key_left),
            doubtful=doubtful,
            accepted=accepted,
            several_holders=row.holders > 1,
        )


def ask_known(connection: Connection, task_id: int) -> Known:
    """Return what is known of a task that was just claimed.

    Asked after the claim: a statement that had waited for the row would not see what its last holder has written.
    """
    row = connection.execute(_KNOWN, {"task": task_id}).one()
    return Known.of_row(row, doubtful=row.doubtful, accepted=row.accepted)


def left_in_doubt() -> ColumnElement[bool]:
    """Return the condition that an attempt of a task may have brought its effect about without anybody knowing."""
    return exists().where(
        Attempt.task_id == Task.id, Attempt.outcome == Outcome.UNKNOWN.value, Attempt.number > Task.cleared_claims
    )


def _accepted() -> ColumnElement[bool]:
    """Return the condition that a task's effect was accepted already, to be finished later: else it would be done."""
    done = (Attempt.verb == "act", Attempt.outcome == Outcome.DONE.value)
    return exists().where(Attempt.task_id == Task.id, *done, Attempt.number > Task.cleared_claims)


def _known() -> Select[Any, Any, Any, Any, Any]:
    return (
        select(
            seconds_until(Task.absent_from).label("absent_in"),
            seconds_until(Task.key_dies_at).label("key_left"),
            left_in_doubt().label("doubtful"),
            _accepted().label("accepted"),
            Submission.fencing.label("holders"),
        )
        .join(Submission, Submission.placement_id == Task.placement_id)
        .where(Task.id == bindparam("task"))
    )


_KNOWN = _known()  # built once
