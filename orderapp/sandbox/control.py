"""The sandbox's own interface, in JSON for tests and as forms for its pages: faults, the ledger, the tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from orderapp.sandbox import incoming
from orderapp.sandbox.answers import Json, Problem, json_answer
from orderapp.sandbox.faults import fault_of, number
from orderapp.sandbox.ledger import read_ledger
from orderapp.sandbox.stand_in import Section
from orderapp.sandbox.state import State

MOST_ROWS = 100_000  # of a table in one answer; beyond that a test should read the file itself


class Control:
    """The calls of the sandbox's own interface."""

    def __init__(self, state: State) -> None:
        self._state = state

    def faults(self) -> Response:
        """Return every system's fault: `{"faults": {system: {...}}}`."""
        return json_answer(200, {"faults": self._state.board.current()})

    def set_fault(self, system: str) -> AnyResponse:
        """Give a system a fault: `{"fault", "rate"?, "seconds"?, "scope"?, "detail"?}`; `none` takes it away."""
        if system not in self._state.stand_ins:
            raise Problem(404, "system_not_found", "There is no such system.")
        try:
            self._state.board.set(system, fault_of(_values()))
        except ValueError as error:
            raise incoming.invalid(f"{error}. Nothing was changed.") from error
        return self._changed(url_for("pages.dashboard", changed=system, _anchor=system), self.faults())

    def clear_faults(self) -> AnyResponse:
        """Take every system's fault away."""
        self._state.board.clear()
        return self._changed(url_for("pages.dashboard", changed="all"), self.faults())

    def ledger(self) -> Response:
        """Return the ledger, of all orders or one (`order_ref`), all systems or one (`system`).

        `waiting` counts effects that aren't in it yet: they come after their caller was cut off.
        """
        self._state.advance()
        with self._state.store.read() as tx:
            found = read_ledger(tx, request.args.get("order_ref"), request.args.get("system"))
        return json_answer(200, {**found, "waiting": len(self._state.late)})

    def table(self, name: str) -> Response:
        """Return a section's rows: `{"rows": [...]}`."""
        section = self._section(name)
        self._state.advance()
        with self._state.store.read() as tx:
            rows = [dict(row) for row in tx.execute(section.query, (MOST_ROWS,))]
        return json_answer(200, {"rows": rows})

    def set_value(self, name: str) -> AnyResponse:
        """Set the editable number of one row: `{"key", "value"}`."""
        section = self._section(name)
        if section.editable is None:
            raise Problem(405, "not_editable", "Nothing can be changed here.")
        values = _values()
        try:
            value = number(values.get("value"), "value")
        except ValueError as error:
            raise incoming.invalid(f"{error}. Nothing was changed.") from error
        if not 0 <= value <= incoming.LARGEST_INTEGER or (section.editable.whole and not value.is_integer()):
            raise incoming.invalid("value must be 0 or more, and whole where it is counted. Nothing was changed.")
        with self._state.store.write() as tx:
            bound = {"key": incoming.text(dict(values), "key"), "value": value}
            if not tx.execute(section.editable.sql, bound).rowcount:
                raise Problem(404, "row_not_found", "There is no such row. Nothing was changed.")
        return self._changed(url_for("pages.look", name=name, changed="yes"), json_answer(200, bound))

    def _section(self, name: str) -> Section:
        section = self._state.sections.get(name)
        if section is None:
            raise Problem(404, "section_not_found", "There is no such section.")
        return section

    def _changed(self, page: str, answer: Response) -> AnyResponse:
        return answer if request.is_json or not request.form else redirect(page, 303)


def control_blueprint(state: State) -> Blueprint:
    """Return the routes of the sandbox's own interface."""
    control = Control(state)
    blueprint = Blueprint("control", __name__)
    blueprint.before_request(refuse_other_sites)
    blueprint.get("/faults.json")(control.faults)
    blueprint.post("/faults/clear")(control.clear_faults)
    blueprint.post("/faults/<system>")(control.set_fault)
    blueprint.get("/ledger.json")(control.ledger)
    blueprint.get("/state/<name>.json")(control.table)
    blueprint.post("/state/<name>")(control.set_value)
    return blueprint


def refuse_other_sites() -> None:
    """Answer 403 to requests that another site's page makes a browser send; programs send neither header and pass."""
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    origin = request.headers.get("Origin", request.host_url)
    foreign = site not in {"same-origin", "none"} or urlsplit(origin).netloc != request.host
    if request.method == "POST" and foreign:
        raise Problem(403, "other_site", "This came from another site. Nothing was changed.")


def _values() -> Mapping[str, Any]:
    if request.is_json:
        body: Json = incoming.json_body()
        return body
    return request.form
