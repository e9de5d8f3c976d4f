"""Staff's switch of a system: pause it, let it only compensate, use it again."""

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
    """Pause a system, wholly or for what goes forward, or use it again.

    A system that may do more than before is taken for well: its circuit closes, and what waits for it is pulled forward
    at its pace, by the timer. So `on` for a system that is on already closes a circuit by hand.

    Transaction: one, committed here, with its audit row.

    Raises:
        InvalidRequest: the reason.
        NotFound: there is no such system.
        WrongState: it is in that mode already; nothing was changed.

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
