"""The first page: tasks in staff's hands, waiting tasks, the state and the switch of each system."""

from __future__ import annotations

from flask import abort, request, url_for
from flask.typing import ResponseReturnValue

from orderapp.admin import personal_data, saved_views, who
from orderapp.admin.acting import act
from orderapp.admin.addresses import local_page
from orderapp.admin.charts import TITLES, drawing_of
from orderapp.admin.errands import errand_title
from orderapp.admin.failure_texts import how_to_check, wellness_of
from orderapp.admin.guard import Guarded, act_at, page_at
from orderapp.admin.headline import amounts_text, headline_of
from orderapp.admin.holdup_texts import held_systems, what_keeps
from orderapp.admin.labels import MODES, duration
from orderapp.admin.listing import NO_CODE
from orderapp.admin.switch_texts import job_choices, until_sent, while_it_fails
from orderapp.admin.system_status import status_of
from orderapp.admin.titles import system_title
from orderapp.config import current_settings
from orderapp.domain.states import TaskKind
from orderapp.models import Role, SwitchMode
from orderapp.services.backoffice import overview
from orderapp.services.backoffice.failure_groups import SHOWN_GROUPS
from orderapp.services.backoffice.samples import Period
from orderapp.services.db.transactions import reading
from orderapp.services.resilience import switches


class OverviewView(Guarded):
    """The first page of the back office."""

    @page_at("/")
    def index(self) -> str:
        """Show it, as of now, with the chart of a period."""
        if not set(request.args) <= {"chart"}:
            abort(400)
        try:
            period = Period(request.args.get("chart", Period.DAY.value))
        except ValueError:
            abort(400)
        with reading() as session:
            views = saved_views.shown(session)
        now = overview.look(current_settings().systems, period, current_settings().jobs)
        calls = {one.system.name: one.calls for one in now.systems}
        page: str = self.render(
            "office/overview.html",
            person_of=lambda customer: personal_data.shown(*customer),
            now=now,
            views=views,
            overdue=duration(now.overdue_seconds) if now.overdue_seconds is not None else None,
            duration=duration,
            held=held_systems(now.holdups, now.unknown_systems),
            failing=while_it_fails,
            no_code=NO_CODE,
            most_groups=SHOWN_GROUPS,
            headline=headline_of(now.not_right, now.day),
            chart=drawing_of(now.chart),
            periods=[(one.value, TITLES[one], one is period) for one in Period],
            amounts=amounts_text,
            errand_title=errand_title,
            wellness_of=lambda group: wellness_of(
                TaskKind(group.kind), group.system, now.holdups, calls.get(group.system)
            ),
            how_to_check=how_to_check,
            what_keeps=lambda name: what_keeps(TaskKind.SETTLE, name, now.holdups),
            modes=MODES,
            title_of=system_title,
            status_of=status_of,
            job_choices=job_choices,
            may_act=who.member().may(Role.OPERATOR),
        )
        return page

    @act_at("/systems/<name>/switch", Role.OPERATOR, "system.switch")
    def switch(self, name: str) -> ResponseReturnValue:
        """Pause a system or job, let a system only compensate, or use it again."""
        if name not in current_settings().runnable:
            abort(404)
        try:
            mode = SwitchMode(request.form.get("mode", ""))
        except ValueError:
            abort(400)
        reason, actor, until = request.form.get("reason", ""), who.member().actor, until_sent()
        back = request.form.get("back")
        return act(
            lambda: switches.switch_system(name, mode, actor, reason, current_settings(), until),
            f"{system_title(name)}: {MODES[mode].lower()}.",
            # To the page's top, which says what was done; the system's row may be far below.
            local_page(back) if back else url_for("admin.index"),
        )
