"""Operations: one act on many tasks, shown before it begins, while it goes on, and with what became of each task."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from jinja2.runtime import Context
from markupsafe import Markup
from sqlalchemy.orm import Session

from orderapp.admin import cells, moments, who
from orderapp.admin.acting import ID, act, sentence_of
from orderapp.admin.consequences import what_a_repeat_does
from orderapp.admin.errands import errand_title
from orderapp.admin.failure_texts import wellness_of
from orderapp.admin.guard import act_at, page_at
from orderapp.admin.holdup_texts import why_it_waits
from orderapp.admin.labels import ITEM_STATES, OPERATION_STATES, act_in_words, duration
from orderapp.admin.listing import OneOf
from orderapp.admin.tabbed_listing import TabbedListing
from orderapp.admin.task_acts import TEXTS
from orderapp.admin.titles import system_title
from orderapp.config import current_settings
from orderapp.domain.states import OPERATIONS_UNDER_WAY, ItemState, OperationState, TaskState
from orderapp.errors import InvalidRequest, WrongState
from orderapp.models import Operation, Role
from orderapp.services.backoffice import operations
from orderapp.services.backoffice.operation_drafts import NOT_TAKEN
from orderapp.services.backoffice.operation_files import OperationFile, find_operation
from orderapp.services.backoffice.operation_outcomes import Counts, in_words, outcomes_of
from orderapp.services.db.audit import Actor
from orderapp.services.engine.job_answers import SNOOZED

# States whose items the page doesn't count as having had their turn.
TO_COME = (ItemState.PLANNED, ItemState.LEFT_OUT)


def chosen_in_words(operation: Operation) -> str:
    """Return what chose an operation's tasks: "State: Failed, System: Settlement"."""
    return ", ".join(f"{name}: {value}" for name, value in json.loads(operation.chosen).items()) or "all tasks"


def state_badge(operation: Operation) -> Markup:
    """Return an operation's state as a badge; one that was stopped says so."""
    word, text = OPERATION_STATES[OperationState(operation.state)]
    return cells.badge("neutral", "Stopped") if operation.stopped_at and word == "ok" else cells.badge(word, text)


def _why_it_stands_still(file: OperationFile) -> str:
    """Return why nobody works on an operation that is under way, as a sentence; empty where somebody does or will."""
    work = file.work
    if work is None or work.state != TaskState.WAITING.value:
        return ""
    if waits := why_it_waits(work, file.holdups):
        return f"{waits.rstrip('.')}."
    if work.last_code in (None, SNOOZED):  # it has just begun, or it goes on in a moment
        return ""
    return f"The newest run of it ended early, and it is tried again: {work.last_message or work.last_code}"


def _title(row: Operation) -> Markup:
    title = TEXTS[row.act].title(row.total)
    return Markup('<a href="{}">{}</a>').format(url_for("task_operations.page", operation_id=row.id), title)


def _outcome(_view: Any, context: Context | None, row: Operation, _name: str) -> Any:
    counts: Counts = context["counts"][row.id] if context else {}
    return Markup('<bdi class="prose">{}</bdi>').format(in_words(counts))


def _when(_view: Any, context: Context | None, row: Operation, _name: str) -> Any:
    return cells.time_and_age(row.started_at or row.created_at, context)


class OperationsView(TabbedListing):
    """Operations, newest first."""

    state_texts = {state: text for state, (_, text) in OPERATION_STATES.items()}
    column_formatters = {
        "act": cells.by_row(_title),
        "chosen": cells.by_row(lambda row: Markup('<bdi class="prose">{}</bdi>').format(chosen_in_words(row))),
        "state": cells.by_row(state_badge),
        "counts": _outcome,
        "actor": cells.text,
        "started_at": _when,
        "reason": cells.prose,
    }
    column_list = tuple(column_formatters)
    column_labels = {
        "act": "What",
        "chosen": "Which",
        "counts": "What became of them",
        "actor": "Who",
        "started_at": "When",
        "reason": "Why",
    }
    column_filters = (
        OneOf("state", Operation.state, "State", [(one.value, text) for one, text in state_texts.items()]),
    )
    list_template = "office/operations.html"
    newest_first = (Operation.id,)
    empty_title = "No such operations"

    def further_values(self, session: Session, rows: Sequence[Any]) -> dict[str, Any]:
        """Return the operations of each tab, and what became of the tasks: as it ended, or as it is now."""
        return {"tabs": self.tabs(session), "counts": outcomes_of(session, rows)}

    @page_at(f"/<{ID}:operation_id>")
    def page(self, operation_id: int) -> str:
        """Show one: before its start what it would do, then how far it is, in the end what became of each task."""
        return self._shown(operation_id)

    def _shown(self, operation_id: int, problem: str = "", reason: str = "") -> str:
        file = find_operation(operation_id, current_settings())
        operation, counts = file.operation, file.counts
        shown: str = self.render(
            "office/operation.html",
            file=file,
            operation=operation,
            texts=TEXTS[operation.act],
            badge_of=state_badge(operation),
            chosen=chosen_in_words(operation),
            not_taken=json.loads(operation.chosen).get(NOT_TAKEN),
            draft=operation.state == OperationState.DRAFT.value,
            under_way=operation.state in {state.value for state in OPERATIONS_UNDER_WAY},
            planned=counts.get(ItemState.PLANNED, 0),
            left_out=counts.get(ItemState.LEFT_OUT, 0),
            turns=sum(number for state, number in counts.items() if state not in TO_COME),
            outcome=in_words(counts),
            item_states=ITEM_STATES,
            stuck=file.work is not None and file.work.state == TaskState.FAILED.value,
            stands_still=_why_it_stands_still(file),
            clock=lambda moment: moments.at(moment, file.now),
            duration=duration,
            rate=current_settings().operation_tasks_per_second,
            errand_title=errand_title,
            repeat_does=what_a_repeat_does,
            wellness=lambda part: wellness_of(part.kind, part.system, file.holdups, part.calls),
            title_of=system_title,
            act_in_words=act_in_words,
            problem=problem,
            reason_given=reason,
            may_act=who.member().may(Role.OPERATOR),
        )
        return shown

    @act_at(f"/<{ID}:operation_id>/start", Role.OPERATOR, "operation.start")
    def start(self, operation_id: int) -> ResponseReturnValue:
        """Start a draft; of two that are the same, lead to the one that is under way."""
        reason, page = request.form.get("reason", ""), url_for(".page", operation_id=operation_id)
        try:
            operations.start(operation_id, who.member().actor, reason)
        except InvalidRequest as error:
            typed = "".join(one for one in reason if one.isprintable())
            return self._shown(operation_id, problem=sentence_of(error), reason=typed), 400
        except operations.UnderWay as error:
            flash(str(error), "error")
            return redirect(url_for(".page", operation_id=error.operation_id), 303)
        except WrongState as error:
            flash(str(error), "error")
            return redirect(page, 303)
        flash("It has begun. You may leave this page: it goes on without you.", "success")
        return redirect(page, 303)

    @act_at(f"/<{ID}:operation_id>/pause", Role.OPERATOR, "operation.pause")
    def pause(self, operation_id: int) -> ResponseReturnValue:
        """Pause one."""
        return self._act(
            operations.pause, operation_id, "It is paused: nothing more is done until somebody resumes it."
        )

    @act_at(f"/<{ID}:operation_id>/resume", Role.OPERATOR, "operation.resume")
    def resume(self, operation_id: int) -> ResponseReturnValue:
        """Go on with a paused one."""
        return self._act(operations.resume, operation_id, "It goes on.")

    @act_at(f"/<{ID}:operation_id>/stop", Role.OPERATOR, "operation.stop")
    def stop(self, operation_id: int) -> ResponseReturnValue:
        """Stop one."""
        told = "It is stopped: nothing more is begun. What it has begun goes on, and is shown here."
        return self._act(operations.stop, operation_id, told)

    def _act(self, do: Callable[[int, Actor, str], None], operation_id: int, done: str) -> ResponseReturnValue:
        reason, actor = request.form.get("reason", ""), who.member().actor
        return act(lambda: do(operation_id, actor, reason), done, url_for(".page", operation_id=operation_id))
