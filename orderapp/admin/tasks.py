"""Tasks: the list by state, the page of one with all its attempts, and requeueing and giving up, one or many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from jinja2.runtime import Context
from sqlalchemy import select
from sqlalchemy.orm import Session

from orderapp.admin import cells, kept_forms, who
from orderapp.admin.acting import sentence_of
from orderapp.admin.addresses import local_page
from orderapp.admin.consequences import BUTTONS, choices_of, what_giving_up_means
from orderapp.admin.guard import act_at, page_at
from orderapp.admin.histories import attempt_entries
from orderapp.admin.listing import Listing, OneOf, OneSystem, choices
from orderapp.admin.titles import system_title
from orderapp.admin.words import TASK_STATES, act_in_words
from orderapp.config import current_settings
from orderapp.domain.states import TaskKind, TaskState
from orderapp.errors import InvalidRequest
from orderapp.models import Order, Role, Task, holds
from orderapp.services import overriding, staff_acts
from orderapp.services.counts import Count, capped
from orderapp.services.database import reading
from orderapp.services.order_file import find_task_file
from orderapp.services.selections import MAX_SELECTION, Selection
from orderapp.systems.registry import system_classes

# In staff's hands first.
TABS = (TaskState.FAILED, TaskState.WAITING, TaskState.RUNNING, TaskState.DONE, TaskState.CANCELLED)


def _task(_view: Any, _context: Context | None, row: Task, _name: str) -> Any:
    return cells.task_link(row.id, f"{row.kind.capitalize()} {row.id}")


def _order(_view: Any, context: Context | None, row: Task, _name: str) -> Any:
    number = context["order_numbers"][row.order_id] if context else ""
    return cells.order_link(number)


def _attempts(_view: Any, _context: Context | None, row: Task, _name: str) -> Any:
    return f"{row.attempts} of {row.attempt_limit}"


class TasksView(Listing):
    """Tasks, newest first."""

    list_template = "office/tasks.html"
    column_formatters = {
        "id": _task,
        "order_id": _order,
        "system": cells.system,
        "state": cells.task_state,
        "attempts": _attempts,
        "due_at": cells.moment,
        "last_message": cells.prose,
    }
    column_list = tuple(column_formatters)
    column_labels = {
        "id": "Task",
        "order_id": "Order",
        "due_at": "Due (UTC)",
        "last_message": "Last said",
    }
    column_filters = (
        OneOf("state", Task.state, "State", [(state.value, TASK_STATES[state]) for state in TABS]),
        OneOf("kind", Task.kind, "Kind", choices(TaskKind)),
        OneSystem("system", Task.system, "System", [(one.name, one.title) for one in system_classes()]),
    )
    figures = frozenset({"attempts"})
    newest_first = (Task.id,)
    empty_title = "No such tasks"

    def further_values(self, session: Session, rows: Sequence[Any]) -> dict[str, Any]:
        """Return the orders' numbers, and how many tasks each tab has under the same filters."""
        may_act = who.member().may(Role.OPERATOR)
        numbers = session.execute(select(Order.id, Order.number).where(Order.id.in_({row.order_id for row in rows})))
        return {
            "order_numbers": {row.id: row.number for row in numbers},
            "tabs": self._tabs(session),
            "kept_filters": self._kept_filters(),
            "most": MAX_SELECTION,
            "marks": BUTTONS,
            "may_act": may_act,
            "open_to_acts": {row.id for row in rows if may_act and TaskState(row.state) in staff_acts.OPEN_TO_ACTS},
            "kept": kept_forms.take("task"),
        }

    @page_at("/<int(max=9223372036854775807):task_id>")
    def page(self, task_id: int) -> str:
        """Show one task with all its attempts."""
        if not set(request.args) <= {"before"}:
            abort(400)
        file = find_task_file(task_id, self._key(request.args["before"]) if "before" in request.args else None)
        system = current_settings().systems.get(file.task.system)
        page: str = self.render(
            "office/task.html",
            file=file,
            task=file.task,
            system=system,
            title=(title := system_title(file.task.system)),
            attempts=attempt_entries(file.attempts),
            requeue_refusal=staff_acts.refusal_to_requeue(file.task, file.order_state),
            cancel_refusal=staff_acts.refusal_to_cancel(file.task),
            act_in_words=act_in_words,
            choices=choices_of(file.task, system, title, file.circumstances),
            giving_up=what_giving_up_means(file.task),
            may_act=who.member().may(Role.OPERATOR),
        )
        return page

    @act_at("/requeue", Role.OPERATOR)
    def requeue(self) -> ResponseReturnValue:
        """Requeue the chosen tasks."""
        reason, actor = request.form.get("reason", ""), who.member().actor
        return _answer(lambda: staff_acts.requeue(_chosen(), actor, reason, current_settings()))

    @act_at("/requeue-failed", Role.OPERATOR)
    def requeue_failed(self) -> ResponseReturnValue:
        """Requeue all failed tasks that the filters in the address let through, up to MAX_SELECTION, oldest first."""
        wanted = [holds(getattr(Task, name), value) for name, value in self._kept_filters().items()]
        with reading() as session:
            ids = session.scalars(
                select(Task.id)
                .where(holds(Task.state, TaskState.FAILED.value), *wanted)
                .order_by(Task.id)
                .limit(MAX_SELECTION)
            ).all()
        reason, actor = request.form.get("reason", ""), who.member().actor
        return _answer(lambda: staff_acts.requeue(ids, actor, reason, current_settings()))

    @act_at("/mark", Role.OPERATOR)
    def mark(self) -> ResponseReturnValue:
        """Say that what the chosen tasks are about happened, or that it didn't."""
        word = {word.value: word for word in BUTTONS}.get(request.form.get("word", "")) or abort(400)
        reason, actor = request.form.get("reason", ""), who.member().actor
        return _answer(lambda: overriding.mark(_chosen(), word, actor, reason, current_settings()))

    @act_at("/cancel", Role.OPERATOR)
    def cancel(self) -> ResponseReturnValue:
        """Give the chosen tasks up."""
        reason, actor = request.form.get("reason", ""), who.member().actor
        return _answer(lambda: staff_acts.cancel(_chosen(), actor, reason))

    def _tabs(self, session: Session) -> list[tuple[str, str, Count | None, bool]]:
        """Return address, text, count and whether it is the present one, for each state."""
        kept = self._kept_filters()
        wanted = [holds(getattr(Task, name), value) for name, value in kept.items()]
        counts = capped(session, {one: select(Task.id).where(holds(Task.state, one.value), *wanted) for one in TABS})
        present = request.args.get("state") or None
        tabs: list[tuple[str, str, Count | None, bool]] = [
            (url_for(".index_view", state=one.value, **kept), TASK_STATES[one], counts[one], present == one.value)
            for one in TABS
        ]
        return [*tabs, (url_for(".index_view", **kept), "All", None, present is None)]

    def _kept_filters(self) -> dict[str, Any]:
        """Return the filters besides the state; what isn't known as one is refused."""
        chosen = self._get_filters(self._get_list_extra_args().filters)
        return {name: value for name, value in chosen.items() if name != "state"}


def _chosen() -> list[int]:
    texts = request.form.getlist("task")
    if not all(text.isascii() and text.isdecimal() and len(text) < 19 for text in texts):
        abort(400)
    return [int(text) for text in texts]


def _answer(do: Any) -> ResponseReturnValue:
    """Lead to where one came from, or for several tasks to the record of what became of each."""
    back = local_page(request.form.get("back"))
    try:
        selection: Selection = do()
    except InvalidRequest as error:
        flash(sentence_of(error), "error")
        kept_forms.keep("task")
        return redirect(back, 303)
    if selection.audit_id is not None:
        return redirect(url_for("audit.page", entry_id=selection.audit_id), 303)
    for item in selection.items:
        flash(item.text, "success" if item.done else "error")
    return redirect(back, 303)
