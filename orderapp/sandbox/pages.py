"""The sandbox's pages: a dashboard of systems and faults, and a table for each kind of data."""

from __future__ import annotations

from flask import Blueprint, Response, render_template, request, url_for

from orderapp.sandbox.answers import Problem
from orderapp.sandbox.faults import HTTP_FAULTS, MAIL_FAULTS, NONE, SCOPES
from orderapp.sandbox.state import State

SHOWN_ROWS = 200  # of a table on a page: what a person looks through; all of it is in the JSON
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)


def pages_blueprint(state: State) -> Blueprint:
    """Return the routes of the pages."""
    blueprint = Blueprint("pages", __name__)
    sections = state.sections

    @blueprint.context_processor
    def shared() -> dict[str, object]:
        return {"first_section": next(iter(sections))}

    @blueprint.get("/")
    def dashboard() -> str:
        return render_template(
            "sandbox/dashboard.html",
            stand_ins=state.stand_ins.values(),
            faults=state.board.current(),
            kinds=(("HTTP systems", HTTP_FAULTS), ("E-mail", MAIL_FAULTS)),
            scopes=SCOPES,
            no_fault=NONE,
            changed=request.args.get("changed"),
            waiting=len(state.late),
        )

    @blueprint.get("/look/<name>")
    def look(name: str) -> str:
        section = sections.get(name)
        if section is None:
            raise Problem(404, "section_not_found", "There is no such section.")
        state.advance()
        with state.store.read() as tx:
            rows = [tuple(row) for row in tx.execute(section.query, (SHOWN_ROWS,))]
        return render_template(
            "sandbox/section.html",
            tab_items=[(url_for(".look", name=one.name), one.title, None, one is section) for one in sections.values()],
            section=section,
            rows=rows,
            shown=SHOWN_ROWS,
            changed=request.args.get("changed"),
        )

    return blueprint


def add_security_headers(response: Response) -> Response:
    """Forbid browsers everything that the pages don't need, and storing the pages."""
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Cache-Control"] = "no-store"
    return response
