"""The weekly reports on consistency."""

from __future__ import annotations

import datetime as dt

from flask import abort, request

from orderapp.admin.guard import Guarded, page_at
from orderapp.config import current_settings
from orderapp.services.backoffice import weekly_report
from orderapp.services.db.transactions import reading


class ReportsView(Guarded):
    """The reports, newest first."""

    @page_at("/")
    def index(self) -> str:
        """Show the newest report, or that of a week."""
        if not set(request.args) <= {"week"}:
            abort(400)
        with reading() as session:
            reports = weekly_report.newest(session, current_settings())
        try:
            wanted = dt.date.fromisoformat(request.args["week"]) if "week" in request.args else None
        except ValueError:
            abort(400)
        report = next((one for one in reports if wanted in (None, one.week)), None)
        if wanted and report is None:
            abort(404)
        page: str = self.render("office/reports.html", reports=reports, report=report)
        return page
