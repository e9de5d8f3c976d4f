"""The order of work: tasks of an order that wait for others of the same order, as their systems declare (`after`)."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import ColumnElement, case, exists, select, update
from sqlalchemy.orm import Session, aliased

from orderapp.domain.states import TaskKind, TaskState
from orderapp.models import Task, db_now, seconds_until
from orderapp.services.db.transactions import writing
from orderapp.systems.registry import Systems

# A task that waits for another is made due when that one is done. In case this was missed, it is looked at again after
# half its age, but after a minute at the earliest and an hour at the latest.
LOOK_AGAIN_SECONDS, LONGEST_LOOK_SECONDS = 60.0, 3600.0


def waits_for(session: Session, task: Task, systems: Systems) -> list[str]:
    """Return the systems whose tasks of the same placement have to be done first and aren't."""
    names = systems[task.system].after
    if not names or task.kind == TaskKind.COMPENSATE.value:
        return []
    other = aliased(Task)
    unfinished = select(other.system).where(other.placement_id == task.placement_id, *_not_done(other, names))
    return sorted(session.scalars(unfinished))


def put_back(task_id: int, waited_for: Collection[str], systems: Systems) -> None:
    """Let a task wait until those that it waits for are done.

    Transaction: one, committed here, after the claim was rolled back.
    If we die here: the relay sends the task again some seconds later.
    """
    half_of_age = -seconds_until(Task.created_at) / 2
    pause = case(
        (half_of_age < LOOK_AGAIN_SECONDS, LOOK_AGAIN_SECONDS),
        (half_of_age > LONGEST_LOOK_SECONDS, LONGEST_LOOK_SECONDS),
        else_=half_of_age,
    )
    titles = " and ".join(systems.title_of(name) for name in waited_for)
    other = aliased(Task)
    still = exists().where(other.placement_id == Task.placement_id, *_not_done(other, waited_for))
    waiting = (Task.id == task_id, Task.state == TaskState.WAITING.value, still)
    values = {"due_at": db_now(pause), "publish_at": db_now(pause), "last_message": f"waits until {titles} is done"}
    with writing() as session:
        session.execute(update(Task).where(*waiting).values(values))


def release(session: Session, task: Task, systems: Systems) -> None:
    """Make the tasks due that waited for this one, which is done now. Transaction: within the caller's."""
    system = systems.get(task.system)
    if system is None or not system.followers:
        return
    waiting = (Task.placement_id == task.placement_id, Task.state == TaskState.WAITING.value)
    following = (Task.system.in_(system.followers), Task.kind != TaskKind.COMPENSATE.value, Task.claims == 0)
    session.execute(update(Task).where(*waiting, *following).values(due_at=db_now(), publish_at=db_now()))


def _not_done(other: type[Task], names: Collection[str]) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions for a task that is still waited for: nobody waits for one that staff gave up."""
    forward = other.kind != TaskKind.COMPENSATE.value
    ended = (TaskState.DONE.value, TaskState.CANCELLED.value)
    return (other.system.in_(names), forward, other.state.not_in(ended))
