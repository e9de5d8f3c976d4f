"""Tasks: the list by state, the page of one with all its attempts, and acts of staff on one or many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from jinja2.runtime import Context
from markupsafe import Markup
from sqlalchemy import Select, not_, select, union_all
from sqlalchemy.orm import Session

from orderapp.admin import cells, moments, selecting, who
from orderapp.admin.acting import act, sentence_of
from orderapp.admin.addresses import local_page
from orderapp.admin.consequences import BUTTONS, choices_of, what_giving_up_means
from orderapp.admin.errands import errand_of
from orderapp.admin.exportable import Exportable
from orderapp.admin.exporting import order_number, plain
from orderapp.admin.guard import act_at, page_at
from orderapp.admin.histories import attempt_entries, doubts_of, repeat_entries
from orderapp.admin.holdup_texts import why_it_waits, why_it_would_wait
from orderapp.admin.labels import ITEM_STATES, TASK_STATES, act_in_words
from orderapp.admin.listing import PAGE_SIZES, Code, OneOf, OneSystem, choices, order_numbers
from orderapp.admin.tabbed_listing import TabbedListing
from orderapp.admin.task_acts import TEXTS
from orderapp.admin.titles import system_title
from orderapp.admin.triggers import Triggers
from orderapp.config import current_settings
from orderapp.domain.states import OPEN_TASK_STATES, TaskKind, TaskState
from orderapp.errors import InvalidRequest
from orderapp.models import Role, Task, holds
from orderapp.services.backoffice import job_runs, manual_resolutions, task_actions
from orderapp.services.backoffice.case_files import find_task_file
from orderapp.services.backoffice.failure_groups import may_happen_twice
from orderapp.services.backoffice.operation_drafts import draft
from orderapp.services.db import audit
from orderapp.services.db.capped_counts import CAP
from orderapp.services.db.picked_rows import among
from orderapp.services.resilience.holdups import holdups


def _due(_view: Any, context: Context | None, row: Task, _name: str) -> Any:
    waits = why_it_waits(row, context["holdups"]) if context else ""
    return cells.time_and_age(row.due_at, context) + (
        Markup('<br><bdi class="prose">{}</bdi>').format(waits) if waits else ""
    )


class Twice(OneOf):
    """The filter by whether a repeat may do something a second time."""

    def apply(self, query: Select[Any], value: str, alias: Any = None) -> Select[Any]:
        """Narrow a statement to the tasks that may, or to those that can't."""
        may = may_happen_twice(current_settings().systems)
        return query.where(may if value == "yes" else not_(may))


class Tried(OneOf):
    """The filter by how often a task was tried that still needs work."""

    def apply(self, query: Select[Any], value: str, alias: Any = None) -> Select[Any]:
        """Narrow a statement to the open tasks that were tried so often."""
        tried = [
            select(Task.id)
            .where(holds(Task.state, state.value), Task.attempts >= int(value))
            .order_by(Task.id)
            .limit(CAP)
            for state in sorted(OPEN_TASK_STATES)
        ]
        oldest = union_all(*(select(one.subquery().c.id) for one in tried)).subquery()
        return query.where(among(Task.id, select(oldest.c.id)))


class TasksView(Exportable, TabbedListing):
    """Tasks, newest first."""

    list_template = "office/tasks.html"
    # In staff's hands first.
    state_texts = {
        state: TASK_STATES[state]
        for state in (TaskState.FAILED, TaskState.WAITING, TaskState.RUNNING, TaskState.DONE, TaskState.CANCELLED)
    }
    column_formatters = {
        "id": cells.by_row(lambda row: cells.task_link(row.id, f"{row.kind.capitalize()} {row.id}")),
        "order_id": cells.order,
        "system": cells.system,
        "state": cells.task_state,
        "attempts": cells.by_row(lambda row: f"{row.attempts} of {row.attempt_limit}"),
        "due_at": _due,
        "last_message": cells.prose,
    }
    column_list = tuple(column_formatters)
    column_labels = {
        "id": "Task",
        "order_id": "Order",
        "due_at": "Due",
        "last_message": "Last said",
    }
    column_filters = (
        OneOf("state", Task.state, "State", [(state.value, text) for state, text in state_texts.items()]),
        OneOf("kind", Task.kind, "Kind", choices(TaskKind)),
        OneSystem("system", Task.system),
        Code("code", Task.last_code, "Cause"),
        Tried(
            "tried",
            Task.attempts,
            "Tried",
            [(str(times), f"{times} times or more, still open") for times in (2, 5, 10)],
        ),
        Twice("twice", Task.id, "May happen twice", [("yes", "Yes"), ("no", "No")]),
    )
    exported = {
        "id": plain("id"),
        "order": order_number,
        **{name: plain(name) for name in ("kind", "system", "key", "state", "attempts", "attempt_limit", "due_at")},
        **{name: plain(name) for name in ("last_code", "last_message", "created_at", "finished_at")},
    }
    figures = frozenset({"attempts"})
    newest_first = (Task.id,)
    empty_title = "No such tasks"

    def further_values(self, session: Session, rows: Sequence[Any]) -> dict[str, Any]:
        """Return the orders' numbers, and how many tasks each tab has under the same filters."""
        may_act = who.member().may(Role.OPERATOR)
        return {
            "order_numbers": order_numbers(session, rows),
            "holdups": holdups(session),
            "tabs": self.tabs(session),
            "marks": BUTTONS,
            "may_act": may_act,
            "open_to_acts": {row.id for row in rows if may_act and TaskState(row.state) in task_actions.OPEN_TO_ACTS},
        }

    @page_at("/<int(max=9223372036854775807):task_id>")
    def page(self, task_id: int) -> str:
        """Show one task with all its attempts."""
        if not set(request.args) <= {"before"}:
            abort(400)
        before = self._key(request.args["before"]) if "before" in request.args else None
        file = find_task_file(task_id, before)
        systems = current_settings().systems
        triggers = Triggers([file.task], file.attempts, file.audit_entries, file.callbacks)
        page: str = self.render(
            "office/task.html",
            what=errand_of(file.task),
            clock=lambda moment: moments.at(moment, file.now),
            ago=lambda moment: moments.ago(moment, file.now),
            file=file,
            task=file.task,
            title=(title := system_title(file.task.system)),
            attempts=[
                *(repeat_entries([file.task]) if before is None else ()),
                *attempt_entries(file.attempts, triggers),
            ],
            requeue_objection=task_actions.objection_to_requeue(file.task, file.circumstances, current_settings()),
            cancel_objection=task_actions.objection_to_cancel(file.task),
            knows_job=file.task.system in current_settings().jobs,
            doubts=doubts_of(file),
            waits=why_it_waits(file.task, file.holdups),
            would_wait=why_it_would_wait(file.task, file.holdups),
            act_in_words=act_in_words,
            item_states=ITEM_STATES,
            choices=choices_of(file.task, systems, title, file.circumstances),
            giving_up=what_giving_up_means(file.task),
            may_act=who.member().may(Role.OPERATOR),
        )
        return page

    @act_at("/operation", Role.OPERATOR)
    def operation(self) -> ResponseReturnValue:
        """Prepare an operation on the ticked tasks, or on all that the address's filters let through."""
        name, back = request.form.get("act", ""), local_page(request.form.get("back"))
        args = self._get_list_extra_args()
        if name not in TEXTS:
            abort(400)
        if request.form.get("which") == "all":
            tasks = self.narrowed(select(Task.id), but="")
            chosen: dict[str, Any] = self.filters_in_words(args)
        else:
            ids = selecting.chosen("task")
            if len(ids) > max(PAGE_SIZES):
                abort(400)
            tasks, chosen = select(Task.id).where(Task.id.in_(ids)), {"Ticked": len(set(ids))}
        try:
            operation_id = draft(name, tasks, chosen, who.member().actor, current_settings())
        except InvalidRequest as error:
            flash(sentence_of(error), "error")
            return redirect(back, 303)
        return redirect(url_for("task_operations.page", operation_id=operation_id), 303)

    @act_at("/requeue", Role.OPERATOR, "task.requeue")
    def requeue(self) -> ResponseReturnValue:
        """Requeue the tasks that were shown."""
        reason, actor, despite = request.form.get("reason", ""), who.member().actor, selecting.despite()
        return selecting.done("task", lambda ids: task_actions.requeue(ids, actor, reason, current_settings(), despite))

    @act_at("/<int(max=9223372036854775807):task_id>/run-now", Role.OPERATOR, "job.run")
    def run_now(self, task_id: int) -> ResponseReturnValue:
        """Run a task's job now, beside its planned run."""
        reason, actor = request.form.get("reason", ""), who.member().actor
        job = find_task_file(task_id).task.system
        return act(
            lambda: job_runs.run_now(job, {}, actor, audit.clean_reason(reason), current_settings()),
            f"{system_title(job)} runs now, as the newest of its tasks; its planned run stays.",
            url_for(".page", task_id=task_id),
        )

    @act_at("/mark", Role.OPERATOR, "task.mark")
    def mark(self) -> ResponseReturnValue:
        """Record that the effects of the tasks shown happened, or that they didn't."""
        resolution = {resolution.value: resolution for resolution in BUTTONS}.get(
            request.form.get("resolution", "")
        ) or abort(400)
        reason, actor, despite = request.form.get("reason", ""), who.member().actor, selecting.despite()
        return selecting.done(
            "task", lambda ids: manual_resolutions.mark(ids, resolution, actor, reason, current_settings(), despite)
        )

    @act_at("/cancel", Role.OPERATOR, "task.cancel")
    def cancel(self) -> ResponseReturnValue:
        """Give up the tasks that were shown."""
        reason, actor = request.form.get("reason", ""), who.member().actor
        return selecting.done("task", lambda ids: task_actions.cancel(ids, actor, reason))
