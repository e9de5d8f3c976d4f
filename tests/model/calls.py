"""Checks at every call to another system. A violation is raised in the run that calls."""

from __future__ import annotations

from orderapp.domain.orders import Effect
from orderapp.domain.retry import Guarantee
from orderapp.domain.states import END_TOLD, News
from orderapp.extensions import db
from orderapp.systems.base import Part
from tests.model.clock import Clock
from tests.model.outside import CALL_SECONDS, Outside, Simulated
from tests.model.runs import Run
from tests.model.tables import Tables


class Calls:
    """Watches the calls of all runs; `runs` are those that have not ended."""

    def __init__(self, outside: Outside, tables: Tables, clock: Clock, runs: list[Run]) -> None:
        self._outside = outside
        self._tables = tables
        self._clock = clock
        self._runs = runs

    def begins(self, verb: str, system: Simulated, effect: Effect) -> None:
        """Check a call at its beginning."""
        run, key = self._outside.run, effect.key
        assert run is not None
        about = f"{verb} {system.name} {key}"
        assert db.engine.pool.checkedout() == 0, f"{about}: a transaction is open"  # type: ignore[attr-defined]
        assert self._tables.knows(key), f"{about}: its intent isn't committed"
        if run.claim is None:
            run.key, run.claim = key, self._tables.claim(run.task_id, key)
            self._is_alone(run, about)
            due = self._tables.one("SELECT due_at FROM tasks WHERE id = ?", run.task_id)
            assert due is None or due["due_at"] <= self._clock.text(), f"{about}: it isn't due yet"
        assert run.claim is not None
        # A stopped run may lose the lease during a call; no run begins a call without enough of it.
        assert run.claim[2] >= self._clock.text(CALL_SECONDS), f"{about}: too little of the lease is left"
        if run.stops == 0:
            self._makes_sense(verb, system, key, about)
        if verb == "act" and system.guarantee is Guarantee.UNSAFE:
            system.allowed[key] -= 1
            assert system.allowed[key] >= -1, f"{about}: repeated, though nobody decided so"

    def posts(self, system: Simulated, key: str) -> None:
        """Look at an action at the moment at which it leaves."""
        run = self._outside.run
        assert run is not None
        run.acted.add(key)
        run.acted_late = run.acted_late or self._is_late(run, key)
        if system.guarantee is Guarantee.QUERY_FIRST and (system.held(key) or system.coming(key)):
            # Only a run that was stopped just before may repeat it: the surplus is taken back.
            assert run.stops, f"act {system.name} {key}: repeated, though it is there or may still come"

    def _is_late(self, run: Run, key: str) -> bool:
        now = self._tables.claim(run.task_id, key)
        return now != run.claim or now is None or now[2] < self._clock.text()

    def _is_alone(self, run: Run, about: str) -> None:
        assert run.claim is not None
        number, fencing, _lease = run.claim
        for other in self._runs:
            same = other is not run and (other.task_id is None) == (run.task_id is None)
            if not same or other.ended or other.claim is None or other.claim[0] != number:
                continue
            assert other.claim[1] < fencing, f"{about}: two holders with the same fencing token"
            # Taking a task away increments the token, and so does the next claim.
            taken_away = run.task_id is not None and fencing - other.claim[1] >= 2
            assert taken_away or other.claim[2] < self._clock.text(), f"{about}: two holders at once"

    def _makes_sense(self, verb: str, system: Simulated, key: str, about: str) -> None:
        number, placement, *_ = key.split(":")
        row = self._tables.one("SELECT state, ends_as, placement_number FROM orders WHERE number = ?", number)
        assert row is not None
        if verb == "act":
            assert int(placement) == row["placement_number"], f"{about}: its order was tried again"
            # The end of which the act is a part; a message of another end names it in its key.
            news = News(key.split(":")[3]) if system.part is Part.NOTIFY and key.count(":") > 2 else News.CONFIRMED
            end = row["ends_as"] if row["state"] == "compensating" else row["state"]
            wanted = "placing" if system.part is Part.BLOCKING else END_TOLD[news].value
            assert end == wanted, f"{about}: its order is {row['state']}, and becomes {end}"
        if verb == "undo":
            row = self._tables.one(
                "SELECT p.state, t.keep FROM placements p JOIN tasks t ON t.placement_id = p.id WHERE t.id = ?",
                self._outside.run.task_id if self._outside.run else None,
            )
            assert row is not None
            wanted = "confirmed" if row["keep"] else "compensating"
            assert row["state"] == wanted, f"{about}: its placement is {row['state']}"
