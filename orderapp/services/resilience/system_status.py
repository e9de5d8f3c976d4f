"""The present status of the systems: staff's switches, circuits, and pauses that the systems have asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, literal, select, union_all
from sqlalchemy.orm import Session

from orderapp.models import Circuit, CircuitState, RateSlot, SwitchMode, SystemSwitch, db_now, seconds_until, table_of

HELD = "held"


@dataclass(frozen=True, slots=True)
class Standing:
    """The systems that are not in normal use."""

    paused: frozenset[str]  # systems that staff have paused
    compensate_only: frozenset[str]  # systems that staff use only for compensation
    failing: Mapping[str, float]  # systems whose circuit isn't closed, each with the seconds until a task may probe it
    held: frozenset[str]  # systems that have asked for a pause, so that their tasks wait


def read_standing(session: Session) -> Standing:
    """Return the status of the systems, in one query on three small tables. Transaction: within the caller's."""
    return standing_of(session.connection().execute(STANDING).all())


def standing_of(rows: Iterable[Sequence[Any]]) -> Standing:
    """Return the status of the systems from the rows of STANDING."""
    found = [(str(name), str(word), float(left)) for name, word, left in rows]

    def those(wanted: str) -> frozenset[str]:
        return frozenset(name for name, word, _left in found if word == wanted)

    failing = {name: left for name, word, left in found if word in (CircuitState.OPEN, CircuitState.HALF_OPEN)}
    return Standing(those(SwitchMode.PAUSED), those(SwitchMode.COMPENSATE_ONLY), failing, those(HELD))


def _everything() -> Select[str, str, float]:
    switches, circuits, rate_slots = table_of(SystemSwitch).c, table_of(Circuit).c, table_of(RateSlot).c
    parts = (
        select(switches.system, switches.mode.label("word"), literal(0.0).label("left_seconds")).where(
            switches.mode != SwitchMode.ON.value
        ),
        select(circuits.system, circuits.state, seconds_until(circuits.probe_at)).where(
            circuits.state != CircuitState.CLOSED.value
        ),
        select(rate_slots.system, literal(HELD), seconds_until(rate_slots.tasks_held_until)).where(
            rate_slots.tasks_held_until > db_now()
        ),
    )
    found = union_all(*parts).subquery()
    return select(found.c.system, found.c.word, found.c.left_seconds)


STANDING = _everything()  # built once, because every order and every round of the relay needs it
