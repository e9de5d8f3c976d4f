"""A claim as one statement, for what is usual: nothing but the task's own row changes (PostgreSQL only).

It takes the task and reads along with it what a first run needs: the order, and how many have held its placement.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Select, select

from orderapp.domain.orders import OrderDocument
from orderapp.models import Submission, Task, seconds_until, table_of
from orderapp.services.database import at_once
from orderapp.services.documents import document_of, with_document
from orderapp.services.earlier_attempts import Known
from orderapp.services.taking import taking

_COLUMNS = tuple(table_of(Task).c.keys())
_PREFIX = "task_"  # of the task's columns, beside the order's


@dataclass(frozen=True, slots=True)
class Taken:
    """A task just taken, its order, and what is known of it where this is its first claim."""

    task: Task
    document: OrderDocument
    known: Known | None


def take_at_once(task_id: int, lease_seconds: float, systems: tuple[str, ...]) -> Taken | None:
    """Take a task of one of these systems; None, and nothing changed, where it can't be had in this way.

    Transaction: one, of one statement.
    Idempotent because: it is conditional; whoever comes second finds nothing to take.
    If we die here: the lease runs out, and the timer makes the task due again; the attempt stays counted.
    """
    with at_once() as connection:
        rows = connection.execute(_taking(systems), {"task": task_id, "lease_seconds": lease_seconds}).all()
    if not rows:
        return None
    row = rows[0]
    task = Task(**{name: row._mapping[_PREFIX + name] for name in _COLUMNS})
    # A first claim has no earlier attempts. Those of a later one are not for this statement to read: had it waited for
    # the row, it would not see what the last holder has written.
    known = Known.of_row(row, doubtful=False, accepted=False) if task.claims == 1 else None
    return Taken(task, document_of(rows), known)


@lru_cache(maxsize=8)  # built once: the systems of a process don't change
def _taking(systems: tuple[str, ...]) -> Select[Any]:
    taken = taking(systems, alone=True).cte("taken")
    submissions = table_of(Submission).c
    holders = select(submissions.fencing).where(submissions.placement_id == taken.c.placement_id).scalar_subquery()
    return with_document(
        taken,
        *(taken.c[name].label(_PREFIX + name) for name in _COLUMNS),
        seconds_until(taken.c.absent_from).label("absent_in"),
        seconds_until(taken.c.key_dies_at).label("key_left"),
        holders.label("holders"),
    )
