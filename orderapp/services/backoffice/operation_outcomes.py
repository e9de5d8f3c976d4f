"""What becomes of the tasks of an operation, and how many of each."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, func, or_, select
from sqlalchemy.orm import Session

from orderapp.domain.states import ItemState, OperationState, TaskState
from orderapp.models import Operation, OperationItem, Task, db_now, table_of
from orderapp.services.db.transitions import move, moving

# How long a task is watched after the act on it. By then one that works is done; what is tried again and again needs
# hours, and nobody waits that long for an operation's end.
WATCHED_SECONDS = 600.0
SLICE = 500  # a transaction of some tens of milliseconds

BECAME = {TaskState.DONE: ItemState.DONE, TaskState.FAILED: ItemState.FAILED, TaskState.CANCELLED: ItemState.GIVEN_UP}
GONE = "its order has ended since, and is archived"
# The states in the order in which people read them, each with its words.
WORDS = {
    ItemState.DONE: "done",
    ItemState.GIVEN_UP: "given up",
    ItemState.FAILED: "failed again",
    ItemState.OPEN: "still under way",
    ItemState.REFUSED: "not possible any more",
    ItemState.STOPPED: "not begun",
    ItemState.ACTED: "being worked on",
    ItemState.PLANNED: "still to come",
    ItemState.LEFT_OUT: "left out",
}

Counts = Mapping[ItemState, int]


def look(session: Session, operation_id: int) -> bool:
    """Record what became of the tasks that the operation has acted on; return whether there may be more to record.

    Transaction: within the caller's.
    Idempotent because: what became of an item is recorded once, by compare-and-set.
    """
    is_known = or_(
        Task.id.is_(None),
        Task.state.in_([state.value for state in BECAME]),
        OperationItem.acted_at < db_now(-WATCHED_SECONDS),
        Task.due_at > db_now(WATCHED_SECONDS),
    )
    rows = session.execute(
        select(OperationItem.id, Task.state, Task.last_message)
        .outerjoin(Task, Task.id == OperationItem.task_id)
        .where(OperationItem.operation_id == operation_id, OperationItem.state == ItemState.ACTED.value, is_known)
        .order_by(OperationItem.id)
        .limit(SLICE)
    ).all()
    became: defaultdict[ItemState, list[dict[str, Any]]] = defaultdict(list)
    for item_id, state, message in rows:
        to = ItemState.DONE if state is None else BECAME.get(TaskState(state), ItemState.OPEN)
        became[to].append({"item": item_id, "new_said": GONE if state is None else message})
    for to, items in became.items():
        recording = moving(OperationItem, to).where(table_of(OperationItem).c.id == bindparam("item"))
        session.connection().execute(recording.values(said=bindparam("new_said"), ended_at=db_now()), items)
    return len(rows) == SLICE


def end(session: Session, operation_id: int, counts: Counts) -> bool:
    """End an operation that nothing is left to do or to watch of; return whether it was under way.

    Transaction: within the caller's.
    """
    kept = json.dumps({state.value: number for state, number in counts.items()})
    this = Operation.id == operation_id
    return bool(move(session, Operation, OperationState.ENDED, this, counts=kept, ended_at=db_now()))


def counts_of(session: Session, operation_ids: Collection[int]) -> dict[int, Counts]:
    """Return how many items of each state these operations have. Transaction: reads only, within the caller's."""
    found: dict[int, Counter[ItemState]] = {operation_id: Counter() for operation_id in operation_ids}
    of_each = (OperationItem.operation_id, OperationItem.state)
    rows = select(*of_each, func.count()).where(OperationItem.operation_id.in_(operation_ids)).group_by(*of_each)
    for operation_id, state, number in session.execute(rows):
        found[operation_id][ItemState(state)] = number
    return dict(found)


def outcomes_of(session: Session, operations: Sequence[Operation]) -> dict[int, Counts]:
    """Return the counts of operations: of ended ones as they ended, of others as they are now.

    Transaction: reads only, within the caller's.
    """
    ended = {
        one.id: {ItemState(state): int(number) for state, number in json.loads(one.counts).items()}
        for one in operations
        if one.counts
    }
    return {**ended, **counts_of(session, [one.id for one in operations if not one.counts])}


def in_words(counts: Counts) -> str:
    """Return what became of an operation's tasks: "38 done, 2 failed again"."""
    return ", ".join(f"{counts[state]:,} {text}" for state, text in WORDS.items() if counts.get(state)) or "nothing"
