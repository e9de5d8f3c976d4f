"""Manual resolutions: staff say whether an unproven effect happened. Each is one transaction with its audit row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from orderapp.config import Settings
from orderapp.domain.states import StepState, TaskKind, TaskState
from orderapp.errors import WrongState
from orderapp.models import Resolution, Step, Task, db_now
from orderapp.services.backoffice.bulk import RowAct, Selection, decided_alone, each
from orderapp.services.backoffice.circumstances import Circumstances, circumstances_of, not_wanted_because
from orderapp.services.backoffice.risks import Objection, Risk, refuse, risk_of_marking
from orderapp.services.backoffice.task_actions import make_due
from orderapp.services.db.audit import Actor
from orderapp.services.db.transitions import closed, move
from orderapp.services.engine.order_of_work import release
from orderapp.services.saga.compensation import close_if_complete, lock_order
from orderapp.services.saga.events import tell_if_consistent
from orderapp.services.saga.manual_resolutions import PAST, say
from orderapp.systems.registry import Systems


@dataclass(frozen=True, slots=True)
class Said:
    """A manual resolution, who makes it, and which risk they accept."""

    resolution: Resolution
    actor: Actor
    despite: Risk | None = None


def mark(
    task_ids: Iterable[int],
    resolution: Resolution,
    actor: Actor,
    reason: str,
    settings: Settings,
    despite: Risk | None = None,
) -> Selection:
    """Mark the effects of tasks as happened or not happened, where nothing has proven it.

    If its effect happened, a settle or notify task is done; if not, it is due now, and the unknown outcomes of its
    earlier attempts don't count any more. For a compensate task it is the reverse: an effect that happened is undone
    now; if it didn't happen (or is gone), the compensation is complete.

    Transaction: one per task, committed here, with its audit row, so that one refusal doesn't stop the rest.
    Idempotent because: a closed task is refused; a task that is made due again is simply due now.
    If we die here: finished tasks are changed and recorded, the others are unchanged.

    Args:
        task_ids: The tasks, in any sequence.
        resolution: HAPPENED or NOT_HAPPENED; for GIVEN_UP use `task_actions.cancel`.
        actor: Who says so.
        reason: How they know.
        settings: The systems.
        despite: The risk that the actor has accepted, for one task alone.

    Returns:
        The result for each. Refused are tasks that run, are done, or have nothing in doubt; and, unless the risk was
        accepted, those where a wrong resolution may do something twice or end an order.

    Raises:
        InvalidRequest: the reason isn't acceptable, there is no task or more than MAX_SELECTION, or a risk was accepted
            for several.
    """
    ids = decided_alone(task_ids, despite)
    act = RowAct(Task, resolution.value, f"Task {{}} is {PAST[resolution]}.")
    said = Said(resolution, actor, despite)
    return each(act, ids, actor, reason, lambda session, task, why: mark_task(session, task, said, why, settings))


def objection_to_mark(task: Task, resolution: Resolution, seen: Circumstances, systems: Systems) -> Objection | None:
    """Return why staff can't resolve a task's effect like this, or why it needs its own decision."""
    if refusal := _refusal(task, resolution, seen):
        return Objection(refusal)
    if _acts_again(task, resolution) and task.system not in systems:
        return Objection(f"there is no system {task.system} any more that could be called")
    return risk_of_marking(task, resolution, seen, systems.get(task.system))


def _refusal(task: Task, resolution: Resolution, seen: Circumstances) -> str | None:
    state = TaskState(task.state)
    if state is TaskState.RUNNING:
        return "a worker has it right now"
    if state is TaskState.DONE:
        return "it is done"
    if seen.order is None:
        return "a job has no effect that staff could find out about; requeue it or give it up"
    if TaskKind(task.kind) is TaskKind.COMPENSATE:
        known = resolution is Resolution.HAPPENED and seen.step is StepState.DONE
        return "it is known that it happened; requeue it to have it undone" if known else None
    if refusal := not_wanted_because(task, seen):
        return refusal
    if task.claims == 0:
        return "nobody has tried it yet, so nothing is in doubt"
    if state is TaskState.WAITING and not seen.doubtful:
        return "nothing is in doubt; it waits for its time"
    return None


def _acts_again(task: Task, resolution: Resolution) -> bool:
    """Return whether a resolution leads to a call: an effect that happened is undone, one that didn't is caused."""
    return (resolution is Resolution.HAPPENED) is (TaskKind(task.kind) is TaskKind.COMPENSATE)


def mark_task(session: Session, task: Task, said: Said, why: str, settings: Settings) -> Mapping[str, Any]:
    """Mark the effect of one task; return the details for the audit.

    Transaction: within the caller's, which has to be rolled back if this raises.

    Raises:
        WrongState: it can't be marked so now, or needs a decision on it alone.
    """
    resolution, actor = said.resolution, said.actor
    # Lock the order first: a transaction that cancels or compensates it does so too, before it changes tasks.
    if task.order_id is not None:
        lock_order(session, task.order_id)
    session.refresh(task)
    seen = circumstances_of(session, [task.id])[task.id]
    what = f"Task {task.id} can't be {PAST[resolution]}"
    refuse(what, objection_to_mark(task, resolution, seen, settings.systems), said.despite)
    ends = not _acts_again(task, resolution)
    values = {"last_code": None, "last_message": f"{PAST[resolution]} by {actor.name}"[:500]}
    moved = (_end if ends else _act_again)(session, task, settings.systems, **values)
    if not moved:
        raise WrongState(f"{what}: it was changed at this very moment. Nothing was changed.")
    say(session, task, resolution, actor, why)
    before = {"state": task.state, "attempts": task.attempts}
    after = {"state": (TaskState.DONE if ends else TaskState.WAITING).value}
    if seen.step is not None:
        before["step"] = seen.step.value
    # With `keep`, one effect stays in place on purpose.
    if ends and TaskKind(task.kind) is TaskKind.COMPENSATE and not task.keep:
        if task.step_id is not None:
            move(session, Step, StepState.COMPENSATED, Step.id == task.step_id, decided_at=db_now())
            after["step"] = StepState.COMPENSATED.value
        close_if_complete(session, task.its_order_id, task.its_placement_id, settings.systems)
    if ends:
        tell_if_consistent(session, task.its_order_id)
    return {"before": before, "after": after, **({"despite": said.despite.value} if said.despite else {})}


def _end(session: Session, task: Task, systems: Systems, **said: Any) -> int:
    """Close the task as done, because staff say so."""
    same = (Task.id == task.id, Task.fencing == task.fencing)
    moved = move(session, Task, TaskState.DONE, *same, fencing=Task.fencing + 1, **closed(), **said)
    if moved:
        release(session, task, systems)
    return moved


def _act_again(session: Session, task: Task, systems: Systems, **said: Any) -> int:
    system = systems.get(task.system)
    if system is None:
        raise WrongState(f"Task {task.id} can't be due again: there is no system {task.system} any more.")
    if TaskKind(task.kind) is not TaskKind.COMPENSATE:
        # It didn't happen, so the engine needn't ask first. The key keeps its age: if the outcome of the next call is
        # unknown too, staff decide again.
        said |= {"cleared_claims": Task.claims}
    return make_due(session, task, system, **said)
