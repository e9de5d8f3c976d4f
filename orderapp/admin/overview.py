"""The first page: tasks in staff's hands, waiting tasks, the state and the switch of each system."""

from __future__ import annotations

from flask import abort, request, url_for
from flask.typing import ResponseReturnValue

from orderapp.admin import who
from orderapp.admin.acting import act
from orderapp.admin.guard import Guarded, act_at, page_at
from orderapp.admin.holdup_texts import held_systems
from orderapp.admin.labels import CIRCUITS, GUARANTEES, MODES, duration
from orderapp.admin.listing import NO_CODE
from orderapp.admin.switch_texts import switch_choices, while_it_fails
from orderapp.admin.titles import system_title
from orderapp.config import current_settings
from orderapp.models import Role, SwitchMode
from orderapp.services.backoffice import overview
from orderapp.services.resilience import switches


class OverviewView(Guarded):
    """The first page of the back office."""

    @page_at("/")
    def index(self) -> str:
        """Show it, as of now."""
        now = overview.look(current_settings().systems)
        page: str = self.render(
            "office/overview.html",
            now=now,
            overdue=duration(now.overdue_seconds) if now.overdue_seconds is not None else None,
            duration=duration,
            held=held_systems(now.holdups, now.unknown_systems),
            failing=while_it_fails,
            no_code=NO_CODE,
            most_groups=overview.SHOWN_GROUPS,
            modes=MODES,
            circuits=CIRCUITS,
            guarantees=GUARANTEES,
            title_of=system_title,
            switch_choices=switch_choices,
            may_act=who.member().may(Role.OPERATOR),
        )
        return page

    @act_at("/systems/<name>/switch", Role.OPERATOR, "system.switch")
    def switch(self, name: str) -> ResponseReturnValue:
        """Pause a system, let it only compensate, or use it again."""
        if name not in current_settings().systems:
            abort(404)
        try:
            mode = SwitchMode(request.form.get("mode", ""))
        except ValueError:
            abort(400)
        reason, actor = request.form.get("reason", ""), who.member().actor
        return act(
            lambda: switches.switch_system(name, mode, actor, reason, current_settings()),
            f"{system_title(name)}: {MODES[mode].lower()}.",
            # To the page's top, which says what was done; the system's row may be far below.
            url_for("admin.index"),
        )
