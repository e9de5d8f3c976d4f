"""The external systems: how each does, what it declares, its switch, and ways to try whether it works."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from flask import abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from orderapp.admin import moments, who
from orderapp.admin.acting import sentence_of
from orderapp.admin.declaration_texts import declared_by
from orderapp.admin.guard import Guarded, act_at, page_at
from orderapp.admin.labels import CIRCUITS, MODES, duration
from orderapp.admin.switch_texts import switch_choices, while_it_fails
from orderapp.admin.titles import system_title
from orderapp.admin.zones import local, typed
from orderapp.config import current_settings
from orderapp.domain.outcome import Outcome
from orderapp.errors import InvalidRequest, TooManyAttempts, WrongState
from orderapp.models import CircuitState, Role
from orderapp.services.backoffice import system_trials
from orderapp.services.backoffice.system_file import NEWEST_CALLS, SystemFile, look_at
from orderapp.systems.base import System

ANSWERS = "{} answers: address and credentials are right."
NO_ANSWER = "{} doesn't answer as it should: {}."
TOO_OFTEN = "It was asked often in the last minute. Nothing was asked; try again in {} seconds."
TRIED = "One task of it is tried now; this page shows what comes of it. Reload it in a moment."


class SystemsView(Guarded):
    """The systems' pages."""

    @page_at("/")
    def index(self) -> str:
        """Show all systems."""
        if request.args:
            abort(400)
        files = look_at(list(current_settings().systems.values()))
        page: str = self.render("office/systems.html", files=files, **_words())
        return page

    @page_at("/<name>")
    def page(self, name: str) -> str:
        """Show one system."""
        if request.args:
            abort(400)
        (file,) = look_at([_find(name)])
        circuit = CircuitState(file.circuit.state) if file.circuit is not None else CircuitState.CLOSED
        page: str = self.render(
            "office/system.html",
            file=file,
            system=file.system,
            bars=list(_bars(file)),
            choices=switch_choices(file.system, file.mode, circuit),
            declared=list(declared_by(file.system)),
            until=typed(file.switch.resumes_at) if file.switch is not None and file.switch.resumes_at else "",
            can_try=system_trials.find_harmless(name, current_settings()) is not None,
            clock=lambda moment: moments.at(moment, file.now),
            ago=lambda moment: moments.ago(moment, file.now),
            may_act=who.member().may(Role.OPERATOR),
            **_words(),
        )
        return page

    @act_at("/<name>/ask", Role.OPERATOR, "system.ask")
    def ask(self, name: str) -> ResponseReturnValue:
        """Ask a system whether it answers."""
        title = _find(name).title
        try:
            answer = system_trials.ask_whether_it_answers(name, who.member().actor, current_settings())
        except (TooManyAttempts, WrongState) as error:
            text = TOO_OFTEN.format(error.retry_after_seconds) if isinstance(error, TooManyAttempts) else str(error)
            flash(text, "error")
        else:
            if answer.outcome is Outcome.DONE:
                flash(ANSWERS.format(title), "success")
            else:
                flash(NO_ANSWER.format(title, (answer.message or answer.code).rstrip(".")), "error")
        return redirect(url_for(".page", name=name), 303)

    @act_at("/<name>/try", Role.OPERATOR, "system.try")
    def try_one(self, name: str) -> ResponseReturnValue:
        """Try one failed task of a system again, and lead to it."""
        _find(name)
        reason, actor = request.form.get("reason", ""), who.member().actor
        try:
            (item,) = system_trials.try_one(name, actor, reason, current_settings()).items
        except (WrongState, InvalidRequest) as error:
            flash(sentence_of(error), "error")
            return redirect(url_for(".page", name=name), 303)
        flash(TRIED if item.done else item.text, "success" if item.done else "error")
        return redirect(url_for("tasks.page", task_id=item.id), 303)


def _find(name: str) -> System:
    systems = current_settings().systems
    if name not in systems:
        abort(404)
    return systems[name]


def _words() -> dict[str, Any]:
    return {
        "modes": MODES,
        "circuits": CIRCUITS,
        "failing": while_it_fails,
        "title_of": system_title,
        "duration": duration,
        "newest": NEWEST_CALLS,
    }


def _bars(file: SystemFile) -> Iterator[tuple[int, float, str, str]]:
    """Yield place, height (0 to 40), outcome and text for each of the newest calls, the oldest first.

    Heights are logarithmic: an answer after five seconds is seen beside those after five milliseconds.
    """
    longest = math.log1p(max((call.duration_ms for call in file.calls), default=1)) or 1.0
    for place, call in enumerate(reversed(file.calls)):
        height = 4 + 36 * math.log1p(call.duration_ms) / longest
        yield place, round(height, 1), call.outcome, f"{local(call.started_at):%H:%M:%S}, {call.duration_ms:,} ms"
