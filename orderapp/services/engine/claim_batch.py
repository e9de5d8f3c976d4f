"""Claims as one statement, for what is usual: nothing but the tasks' own rows change (PostgreSQL only).

It takes tasks and reads along with each what a first run needs: the order, and how many have held its placement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Any

from sqlalchemy import select

from orderapp.domain.orders import OrderDocument
from orderapp.domain.states import TaskKind
from orderapp.models import Submission, Task, seconds_until, table_of
from orderapp.services.db.prepared_statements import ReadyStatement
from orderapp.services.engine.claim_statement import taking_plainly
from orderapp.services.saga.order_documents import document_of, with_document
from orderapp.services.saga.prior_attempts import Known

_COLUMNS = tuple(table_of(Task).c.keys())
_PREFIX = "task_"  # of the task's columns, beside the order's


@dataclass(frozen=True, slots=True)
class Taken:
    """A task just taken, its order, and what is known of it where this is its first claim."""

    task: Task
    document: OrderDocument
    known: Known | None


def take_at_once(task_ids: Sequence[int], lease_seconds: float, systems: tuple[str, ...]) -> list[Taken]:
    """Take tasks of these systems; those that can't be had in this way are missing, and nothing of them has changed.

    Transaction: one, of one statement.
    Idempotent because: it is conditional; whoever comes second finds nothing to take.
    If we die here: the lease runs out, and the timer makes the tasks due again; the attempts stay counted.
    """
    several = len(task_ids) > 1
    which = {"tasks": sorted(task_ids)} if several else {"task": task_ids[0]}
    rows = _taking(systems, several).run({**which, "lease_seconds": lease_seconds})
    return [_taken(list(of_one)) for _, of_one in groupby(rows, key=lambda row: row.task_id)]


def _taken(rows: Sequence[Any]) -> Taken:
    row = rows[0]
    task = Task(**{name: getattr(row, _PREFIX + name) for name in _COLUMNS})
    # A first claim has no earlier attempts. Those of a later one are not for this statement to read: had it waited for
    # the row, it would not see what the last holder has written. Of a compensation those of its step count as well.
    first = task.claims == 1 and task.kind != TaskKind.COMPENSATE.value
    known = Known.of_row(row, doubtful=False, accepted=False, proven=False) if first else None
    return Taken(task, document_of(rows), known)


@lru_cache(maxsize=8)  # built once: the systems of a process don't change
def _taking(systems: tuple[str, ...], several: bool) -> ReadyStatement:
    taken = taking_plainly(systems, several=several).cte("taken")
    submissions = table_of(Submission).c
    holders = select(submissions.fencing).where(submissions.placement_id == taken.c.placement_id).scalar_subquery()
    statement = with_document(
        taken,
        *(taken.c[name].label(_PREFIX + name) for name in _COLUMNS),
        seconds_until(taken.c.absent_from).label("absent_in"),
        (-seconds_until(taken.c.key_used_at)).label("key_age"),
        holders.label("holders"),
    )
    return ReadyStatement(statement)
