"""Staff say whether an effect that nobody could prove happened. Each word and its audit row are one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from orderapp.config import Settings
from orderapp.domain.states import OrderState, StepState, TaskKind, TaskState
from orderapp.errors import WrongState
from orderapp.models import Step, Task, Word, db_now
from orderapp.services.backoffice.bulk import RowAct, Selection, decided_alone, each
from orderapp.services.backoffice.circumstances import Circumstances, circumstances_of
from orderapp.services.backoffice.risks import Objection, Risk, refuse, risk_of_marking
from orderapp.services.backoffice.task_actions import make_due
from orderapp.services.db.audit import Actor
from orderapp.services.db.transitions import move
from orderapp.services.saga.compensation import close_if_complete, lock_order
from orderapp.services.saga.resolutions import PAST, say
from orderapp.systems.registry import Systems


@dataclass(frozen=True, slots=True)
class Said:
    """A word, who gives it, and which risk they know of."""

    word: Word
    actor: Actor
    despite: Risk | None


def mark(
    task_ids: Iterable[int],
    word: Word,
    actor: Actor,
    reason: str,
    settings: Settings,
    despite: Risk | None = None,
) -> Selection:
    """Say that the effects of tasks happened, or that they didn't, where nobody could prove it.

    A task to settle or notify is done once its effect happened, and is due now once it didn't: what its earlier
    attempts left in doubt counts no more. A task to compensate is the other way round: an effect that happened is
    undone now, and with one that didn't (or is no longer there) the compensation is complete.

    Transaction: one per task, committed here, with its audit row, so that one refusal doesn't stop the rest.
    Idempotent because: a task that is closed is refused; one that is due is due now, as it was.
    If we die here: what was done is done and recorded, the rest is as it was.

    Args:
        task_ids: The tasks, in any order.
        word: HAPPENED or NOT_HAPPENED; for GIVEN_UP there is `task_actions.cancel`.
        actor: Who says so.
        reason: How they know.
        settings: The systems.
        despite: The risk that was seen and decided to be taken, of one task alone.

    Returns:
        What became of each: tasks that run, are done, or of which nothing is in doubt are refused, and those where a
        wrong word may do something twice or end an order, unless that was decided.

    Raises:
        InvalidRequest: the reason, no task, more than MAX_SELECTION, or a decision for several.

    """
    ids = decided_alone(task_ids, despite)
    act = RowAct(Task, word.value, f"Task {{}} is {PAST[word]}.")
    said = Said(word, actor, despite)
    return each(act, ids, actor, reason, lambda session, task, why: _mark(session, task, said, why, settings))


def objection_to_mark(task: Task, word: Word, seen: Circumstances, systems: Systems) -> Objection | None:
    """Return why staff can't give this word on a task's effect, or not without a decision on it alone."""
    if refusal := _refusal(task, word, seen):
        return Objection(refusal)
    if _acts_again(task, word) and task.system not in systems:
        return Objection(f"there is no system {task.system} any more that could be called")
    return risk_of_marking(task, word, seen, systems.get(task.system))


def _refusal(task: Task, word: Word, seen: Circumstances) -> str | None:
    state = TaskState(task.state)
    if state is TaskState.RUNNING:
        return "a worker has it right now"
    if state is TaskState.DONE:
        return "it is done"
    if TaskKind(task.kind) is TaskKind.COMPENSATE:
        known = word is Word.HAPPENED and seen.step is StepState.DONE
        return "it is known that it happened; requeue it to have it undone" if known else None
    if seen.order is not OrderState.CONFIRMED:
        return f"its order is {seen.order.value}, so there is nothing to {task.kind}"
    if task.claims == 0:
        return "nobody has tried it yet, so nothing is in doubt"
    if state is TaskState.WAITING and not seen.doubtful:
        return "nothing is in doubt; it waits for its time"
    return None


def _acts_again(task: Task, word: Word) -> bool:
    """Return whether the system is called because of a word: what happened is undone, what didn't is done."""
    return (word is Word.HAPPENED) is (TaskKind(task.kind) is TaskKind.COMPENSATE)


def _mark(session: Session, task: Task, said: Said, why: str, settings: Settings) -> Mapping[str, Any]:
    word, actor = said.word, said.actor
    # The order's row first: whoever turns the order round holds it, and ends or writes tasks afterwards.
    lock_order(session, task.order_id)
    session.refresh(task)
    seen = circumstances_of(session, [task.id])[task.id]
    what = f"Task {task.id} can't be {PAST[word]}"
    refuse(what, objection_to_mark(task, word, seen, settings.systems), said.despite)
    ends = not _acts_again(task, word)
    values = {"last_code": None, "last_message": f"{PAST[word]} by {actor.name}"[:500]}
    moved = _end(session, task, **values) if ends else _act_again(session, task, settings.systems, **values)
    if not moved:
        raise WrongState(f"{what}: it was changed at this very moment. Nothing was changed.")
    say(session, task, word, actor, why)
    before = {"state": task.state, "attempts": task.attempts}
    after = {"state": (TaskState.DONE if ends else TaskState.WAITING).value}
    if seen.step is not None:
        before["step"] = seen.step.value
    # With `keep`, one effect is still in place, as it should be.
    if ends and TaskKind(task.kind) is TaskKind.COMPENSATE and not task.keep:
        if task.step_id is not None:
            move(session, Step, StepState.COMPENSATED, Step.id == task.step_id, decided_at=db_now())
            after["step"] = StepState.COMPENSATED.value
        close_if_complete(session, task.order_id, task.placement_id)
    return {"before": before, "after": after, **({"despite": said.despite.value} if said.despite else {})}


def _end(session: Session, task: Task, **said: Any) -> int:
    """Close the task as done, by staff's word."""
    same = (Task.id == task.id, Task.fencing == task.fencing)
    closed = {"due_at": None, "publish_at": None, "finished_at": db_now(), "fencing": Task.fencing + 1}
    return move(session, Task, TaskState.DONE, *same, **closed, **said)


def _act_again(session: Session, task: Task, systems: Systems, **said: Any) -> int:
    system = systems.get(task.system)
    if system is None:
        raise WrongState(f"Task {task.id} can't be due again: there is no system {task.system} any more.")
    if TaskKind(task.kind) is not TaskKind.COMPENSATE:
        # It didn't happen, so there is nothing to ask about first. The key is as old as it was: whatever is in doubt
        # after the next call is for staff again.
        said |= {"cleared_claims": Task.claims}
    return make_due(session, task, system, **said)
