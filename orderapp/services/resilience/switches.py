"""Staff's switch for a system: pause it, only compensate, or use it again."""

from __future__ import annotations

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from orderapp.config import Settings
from orderapp.errors import NotFound, WrongState
from orderapp.models import Circuit, CircuitState, SwitchMode, SystemSwitch, db_now
from orderapp.services.access.refused_acts import refusals_recorded
from orderapp.services.db import audit
from orderapp.services.db.audit import Act, Actor
from orderapp.services.db.transactions import writing
from orderapp.services.db.upserts import upsert
from orderapp.services.resilience import circuit_breakers

log = structlog.get_logger()


def switch_system(name: str, mode: SwitchMode, actor: Actor, reason: str, settings: Settings) -> None:
    """Pause a system, completely or except for compensations, or use it again.

    A system that may do more than before is treated as working: its circuit closes, and the timer pulls its waiting
    tasks forward at its rate. So switching a system `on` that is already on closes its circuit by hand.

    Transaction: one, committed here, with its audit row.

    Raises:
        InvalidRequest: the reason isn't acceptable.
        NotFound: there is no such system.
        WrongState: the system is already in that mode; nothing was changed.
    """
    why = audit.clean_reason(reason)
    if name not in settings.systems:
        raise NotFound("There is no such system.")
    with refusals_recorded(actor, Act("system.switch", f"system {name}", why)), writing() as session:
        known = session.scalar(select(SystemSwitch.mode).where(SystemSwitch.system == name).with_for_update())
        before = SwitchMode(known or SwitchMode.ON.value)
        circuit = session.scalar(select(Circuit.state).where(Circuit.system == name)) or CircuitState.CLOSED.value
        if before is mode and (mode is not SwitchMode.ON or circuit == CircuitState.CLOSED.value):
            raise WrongState(f"{settings.systems[name].title} is in this mode already. Nothing was changed.")
        _write_switch(session, name, mode, why)
        if mode is SwitchMode.ON or before is SwitchMode.PAUSED:
            circuit_breakers.use_again(session, name)
        details = {"before": before.value, "after": mode.value, "circuit_before": circuit}
        audit.write(session, actor, Act("system.switch", f"system {name}", why, details=details))
    log.info("system.switched", system=name, mode=mode.value, by=actor.staff_id)


def _write_switch(session: Session, name: str, mode: SwitchMode, why: str) -> None:
    values = {"mode": mode.value, "reason": why, "changed_at": db_now()}
    session.execute(upsert(session, SystemSwitch, {"system": name, **values}, values, unique="system"))
