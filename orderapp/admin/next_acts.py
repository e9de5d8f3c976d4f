"""The one act that an order needs from staff next, and what follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask import url_for

from orderapp.admin.consequences import what_a_repeat_does
from orderapp.admin.errands import errand_of
from orderapp.admin.holdup_texts import why_it_would_wait
from orderapp.admin.titles import system_title
from orderapp.config import current_settings
from orderapp.domain.states import LASTING_KINDS, MismatchState, OrderState, TaskKind, TaskState
from orderapp.models import Task
from orderapp.services.backoffice.bulk import MAX_SELECTION
from orderapp.services.backoffice.case_files import OrderFile
from orderapp.services.backoffice.risks import Objection
from orderapp.services.backoffice.task_actions import objection_to_requeue


@dataclass(frozen=True, slots=True)
class NextAct:
    """An act and its consequence: a form that tries tasks again, or a link to where it is decided."""

    title: str
    consequence: str
    address: str  # where the link leads, or the form is sent
    task_ids: Sequence[int] = ()  # what the form tries again; empty for a link


def next_act_of(file: OrderFile) -> NextAct | None:
    """Return the act that comes first; None if the order needs nobody."""
    failed = [task for task in file.tasks if task.state == TaskState.FAILED.value and _is_wanted(file, task)]
    stuck = failed[:MAX_SELECTION]
    harmless = [task for task in stuck if _objection(file, task) is None]
    if harmless:
        return _try_again(file, harmless)
    mismatch = next((one for one in file.mismatches if one.state == MismatchState.OPEN.value), None)
    if mismatch is not None:
        text = f"{system_title(mismatch.system)} says otherwise than our ledger; look at both, and choose."
        return NextAct("Decide about the difference", text, f"#mismatch-{mismatch.id}")
    if stuck:
        return _decide(file, stuck[0])
    given_up = [task for task in file.tasks if task.state == TaskState.CANCELLED.value and _is_owed(file, task)]
    return _decide(file, given_up[0]) if given_up else None


def _try_again(file: OrderFile, tasks: Sequence[Task]) -> NextAct:
    what = errand_of(tasks[0]) if len(tasks) == 1 else f"all {len(tasks)}"
    title = f"Try again to {what}" if len(tasks) == 1 else f"Try {what} again"
    consequences = dict.fromkeys(_consequence(file, task) for task in tasks)
    return NextAct(title, " ".join(consequences), url_for("tasks.requeue"), [task.id for task in tasks])


def _decide(file: OrderFile, task: Task) -> NextAct:
    objection = _objection(file, task)
    why = f"{objection.text[0].upper()}{objection.text[1:]}. " if objection is not None else ""
    text = f"{why}The page of this work shows what is known, and what each choice leads to."
    return NextAct(f"Decide how to {errand_of(task)}", text, url_for("tasks.page", task_id=task.id))


def _consequence(file: OrderFile, task: Task) -> str:
    """Return what trying a task again does, by its system's declaration, and whether it would wait."""
    return f"{what_a_repeat_does(task.system)} {why_it_would_wait(task, file.holdups)}".strip()


def _objection(file: OrderFile, task: Task) -> Objection | None:
    return objection_to_requeue(task, file.circumstances[task.id], current_settings())


def _is_wanted(file: OrderFile, task: Task) -> bool:
    """Whether the order still wants what a task does: one that isn't confirmed owes no payment and no other work."""
    return task.kind not in LASTING_KINDS or file.view.state is OrderState.CONFIRMED


def _is_owed(file: OrderFile, task: Task) -> bool:
    """Whether staff gave up something that is still owed or held: not a message, not work of an earlier placement."""
    if task.kind == TaskKind.COMPENSATE.value:
        return True
    of_this = task.placement_id == file.placements[0].id
    return task.kind != TaskKind.NOTIFY.value and of_this and _is_wanted(file, task)
