"""What took an order long on its way: repeated work and earlier tries, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from orderapp.admin.errands import errand_of
from orderapp.admin.labels import duration
from orderapp.admin.titles import system_title
from orderapp.domain.outcome import Outcome
from orderapp.domain.states import TaskState
from orderapp.models import Attempt, Task
from orderapp.services.backoffice.case_files import OrderFile

# Work that ends with its first call, and within this time, is nothing to speak of.
QUIET_SECONDS = 60.0


def detours_of(file: OrderFile) -> tuple[str, ...]:
    """Return what was out of the ordinary on an ended order's way, oldest first."""
    return (*_earlier_tries(file), *_long_work(file))


def _earlier_tries(file: OrderFile) -> Iterator[str]:
    earlier = len(file.placements) - 1
    if earlier:
        yield f"The customer tried {'twice' if earlier == 1 else f'{earlier + 1} times'}."


def _long_work(file: OrderFile) -> Iterator[str]:
    for task in file.tasks:
        if task.state != TaskState.DONE.value or task.finished_at is None:
            continue
        took_seconds = (task.finished_at - task.created_at).total_seconds()
        if task.attempts > 1 or took_seconds >= QUIET_SECONDS:
            tries = f", in {task.attempts} tries" if task.attempts > 1 else ""
            yield f"It took {duration(took_seconds)} to {errand_of(task)}{tries}{_because(file, task)}."


def _because(file: OrderFile, task: Task) -> str:
    """Return why a task took long, by its newest attempt that came to nothing."""
    failed = next((one for one in file.attempts if one.task_id == task.id and one.outcome != Outcome.DONE.value), None)
    return f", because {_what_it_did(failed)}" if failed is not None else ""


def _what_it_did(attempt: Attempt) -> str:
    title, said = system_title(attempt.system), (attempt.message or attempt.code).rstrip(".")
    return f"{title} {ENDINGS[attempt.outcome]}{f' ({said})' if said else ''}"


ENDINGS = {
    Outcome.UNKNOWN.value: "gave no clear answer",
    Outcome.REFUSED.value: "refused",
    Outcome.NOT_SENT.value: "couldn't do it",
}
