"""An order's effect ledger: for each effect what should be, what is, how we know, and since when."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from orderapp.admin.evidence import Evidence, evidence_of
from orderapp.config import current_settings
from orderapp.domain.states import MismatchState, PlacementState, StepState, TaskKind, TaskState
from orderapp.domain.verbs import Verb
from orderapp.models import ManualResolution, Placement, Resolution, Step, Task
from orderapp.services.backoffice.case_files import OrderFile

# What should be: True for in place, False for nothing, None while it is undecided.
INTENDED: dict[str, bool | None] = {
    PlacementState.PLACING.value: None,
    PlacementState.CONFIRMED.value: True,
    PlacementState.COMPENSATING.value: False,
    PlacementState.COMPENSATED.value: False,
}
STEPS: dict[str, tuple[bool | None, str]] = {
    StepState.PLANNED.value: (False, "Nothing; never sent"),
    StepState.DONE.value: (True, "In place"),
    StepState.REFUSED.value: (False, "Nothing; refused"),
    StepState.UNKNOWN.value: (None, "May be in place"),
    StepState.COMPENSATED.value: (False, "Nothing; given back"),
}


@dataclass(frozen=True, slots=True)
class Effect:
    """One line of the ledger; `tone` is ok, info, warn or bad. `theirs` is the system's state if it differs."""

    system: str
    key: str
    placement: int
    intended: str
    ours: str
    theirs: str
    tone: str
    since: dt.datetime | None  # since when it is as it is; None if nothing was done yet
    evidence: Evidence  # how we know
    can_be_asked: bool  # whether the system can be asked about it
    resolutions: Sequence[ManualResolution]


def ledger_of(file: OrderFile) -> list[Effect]:
    """Return a line for each effect that an order has or had, the newest placement's first."""
    return [effect for placement in file.placements for effect in _of_placement(file, placement)]


def _of_placement(file: OrderFile, placement: Placement) -> Iterator[Effect]:
    tasks = [task for task in file.tasks if task.placement_id == placement.id]
    back = {task.system: task for task in tasks if task.kind == TaskKind.COMPENSATE.value}
    for step in placement.steps:
        about = [task for task in tasks if task.step_id == step.id]
        yield _line(file, placement, step, STEPS[step.state], about)
    for task in tasks:
        if task.kind != TaskKind.COMPENSATE.value and task.step_id is None:
            undoing = back.get(task.system)
            by_rows = _by_rows(task, undoing, file.doubtful_task_ids)
            yield _line(file, placement, task, by_rows, [task, undoing] if undoing else [task])


def _by_rows(task: Task, undoing: Task | None, doubtful: frozenset[int]) -> tuple[bool | None, str]:
    """Return whether the effect of a settle or notify task is in place, by our rows."""
    if undoing is not None and undoing.state == TaskState.DONE.value and not undoing.keep:
        return False, "Nothing; given back"
    if task.state == TaskState.DONE.value:
        return True, "Sent" if task.kind == TaskKind.NOTIFY.value else "In place"
    if task.id in doubtful or task.state == TaskState.RUNNING.value or undoing is not None:
        return None, "May have been sent" if task.kind == TaskKind.NOTIFY.value else "May be in place"
    return False, "Nothing yet" if task.state in (TaskState.WAITING.value, TaskState.FAILED.value) else "Nothing"


def _line(
    file: OrderFile, placement: Placement, row: Step | Task, by_rows: tuple[bool | None, str], tasks: Sequence[Task]
) -> Effect:
    ids = {task.id for task in tasks}
    resolutions = [resolution for resolution in file.resolutions if resolution.task_id in ids]
    unproven = [resolution for resolution in resolutions if resolution.ended_at is None]
    is_there, ours = by_rows if placement.state != PlacementState.PLACING.value else (None, "Not known yet")
    if is_there and any(task.keep and task.state != TaskState.DONE.value for task in tasks):
        is_there, ours = None, "In place, perhaps twice"
    message = isinstance(row, Task) and row.kind == TaskKind.NOTIFY.value
    should_be = INTENDED[placement.state]
    # A message can't be taken back, so it doesn't matter whether one of a cancelled order was sent.
    agrees = (is_there is not None and is_there == should_be) or (message and should_be is False)
    # Only a closed effect rests on the manual resolution alone; for others our own calls will bring proof.
    by_resolution = (
        any(resolution.resolution != Resolution.GIVEN_UP.value for resolution in unproven)
        and is_there is not None
        and agrees
    )
    if by_resolution:
        ours = f"{ours.partition(';')[0]}, as marked by staff"
    mismatch = next(
        (one for one in file.mismatches if one.key == row.key and one.state != MismatchState.GONE.value), None
    )
    system = current_settings().systems.get(row.system)
    return Effect(
        system=row.system,
        key=row.key,
        placement=placement.number,
        intended=_should_be(should_be, message),
        ours=ours,
        theirs=mismatch.theirs if mismatch else "",
        tone="bad" if mismatch else _tone(agrees, by_resolution, tasks),
        since=_since(row, tasks),
        evidence=evidence_of(file, row, ids),
        can_be_asked=_was_called(row) and system is not None and system.configured and system.can(Verb.ASK),
        resolutions=resolutions,
    )


def _was_called(row: Step | Task) -> bool:
    """Whether there is something to ask about: of a step that was never sent, no system knows anything."""
    return isinstance(row, Task) or row.state != StepState.PLANNED.value


def _since(row: Step | Task, tasks: Sequence[Task]) -> dt.datetime | None:
    """Return when an effect's present state began: with the step's answer, or the end of the work on it."""
    ends = [row.decided_at if isinstance(row, Step) else row.finished_at, *(task.finished_at for task in tasks)]
    return max((end for end in ends if end is not None), default=None)


def _should_be(should_be: bool | None, message: bool) -> str:
    if should_be is None:
        return "Being decided"
    if message:
        return "Sent once" if should_be else "Either way"
    return "In place, once" if should_be else "Nothing"


def _tone(agrees: bool, by_resolution: bool, tasks: Sequence[Task]) -> str:
    if agrees:
        return "warn" if by_resolution else "ok"
    under_way = any(task.state in (TaskState.WAITING.value, TaskState.RUNNING.value) for task in tasks)
    return "info" if under_way or not tasks else "bad"
