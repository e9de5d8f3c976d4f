"""Staff's switch for a system or job: pause it, only compensate, or use it again; at once, or by the timer later."""

from __future__ import annotations

import datetime as dt

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from orderapp.config import Settings
from orderapp.errors import InvalidRequest, NotFound, WrongState
from orderapp.models import Circuit, CircuitState, SwitchMode, SystemSwitch, db_now
from orderapp.services.access.refused_acts import refusals_recorded
from orderapp.services.db import audit
from orderapp.services.db.audit import TIMER, Act, Actor
from orderapp.services.db.transactions import reading, writing
from orderapp.services.db.upserts import upsert
from orderapp.services.resilience import circuit_breakers
from orderapp.systems.base import System
from orderapp.systems.jobs import Job

log = structlog.get_logger()

ENDED = "its time was over"
LONGEST_DAYS = 31  # a later end is a typing error; without one, staff resume it


def switch_system(  # noqa: PLR0913 - what, how long, who, why
    name: str,
    mode: SwitchMode,
    actor: Actor,
    reason: str,
    settings: Settings,
    until: dt.datetime | None = None,
) -> None:
    """Pause a system, completely or except for compensations, or a job; or use it again.

    A system that may do more than before is treated as working: its circuit closes, and the timer pulls its waiting
    tasks forward at its rate. So switching a system `on` that is already on closes its circuit by hand.

    Transaction: one, committed here, with its audit row.

    Args:
        name: The system.
        mode: What it may be used for from now on.
        actor: Who switches it.
        reason: Why.
        settings: The systems.
        until: When the timer uses it again, an aware time within LONGEST_DAYS. None: staff do.

    Raises:
        InvalidRequest: the reason isn't acceptable, there is an end of being in use, or the end has
            passed or is too far away.
        NotFound: there is no such system or job.
        WrongState: it is already in that mode, or a job can't be; nothing was changed.
    """
    why = audit.clean_reason(reason)
    runs = settings.runnable.get(name)
    if runs is None:
        raise NotFound("There is no such system or job.")
    if isinstance(runs, Job) and mode is SwitchMode.COMPENSATE_ONLY:
        raise WrongState(f"{runs.title} is a job and compensates nothing; pause it instead. Nothing was changed.")
    if until is not None and mode is SwitchMode.ON:
        raise InvalidRequest({"until": ["A system is used until somebody switches it; leave the time empty."]})
    with refusals_recorded(actor, Act("system.switch", f"system {name}", why)), writing() as session:
        before, resumes_before = _locked(session, name)
        circuit = session.scalar(select(Circuit.state).where(Circuit.system == name)) or CircuitState.CLOSED.value
        _refuse_impossible_end(until, session)
        same = before is mode and resumes_before == until
        if same and (mode is not SwitchMode.ON or circuit == CircuitState.CLOSED.value):
            raise WrongState(f"{runs.title} is in this mode already. Nothing was changed.")
        _write_switch(session, name, mode, actor, why, until)
        # A job has no circuit, and what waits for it is overdue already.
        if isinstance(runs, System) and (mode is SwitchMode.ON or (before is SwitchMode.PAUSED and mode is not before)):
            circuit_breakers.use_again(session, name)
        details = {"before": before.value, "after": mode.value, "circuit_before": circuit}
        end = {"resumes_at": until.isoformat()} if until is not None else {}
        audit.write(session, actor, Act("system.switch", f"system {name}", why, details={**details, **end}))
    log.info("system.switched", system=name, mode=mode.value, by=actor.staff_id)


def resume_ended(settings: Settings) -> None:
    """Use the systems and jobs again whose set time has come. Those that this version doesn't know stay as they are.

    Transaction: one that reads; one for each such system, committed here, with its audit row.
    Idempotent because: the row is locked, and its end is read again.
    If we die here: another timer, or this one after its start, does it.
    """
    with reading() as session:
        due = session.scalars(select(SystemSwitch.system).where(SystemSwitch.resumes_at <= db_now())).all()
    for name in due:
        if name in settings.runnable:
            _resume(name, settings)


def _resume(name: str, settings: Settings) -> None:
    with writing() as session:
        ended = select(SystemSwitch).where(SystemSwitch.system == name, SystemSwitch.resumes_at <= db_now())
        switch = session.scalar(ended.with_for_update())
        if switch is None:
            return  # another timer was faster, or staff have switched it
        details = {"before": switch.mode, "after": SwitchMode.ON.value, "set_by": switch.actor}
        _write_switch(session, name, SwitchMode.ON, TIMER, ENDED, None)
        if name in settings.systems:
            circuit_breakers.use_again(session, name)
        audit.write(session, TIMER, Act("system.switch", f"system {name}", ENDED, details=details))
    log.info("system.resumed", system=name)


def _locked(session: Session, name: str) -> tuple[SwitchMode, dt.datetime | None]:
    columns = select(SystemSwitch.mode, SystemSwitch.resumes_at).where(SystemSwitch.system == name)
    row = session.execute(columns.with_for_update()).one_or_none()
    return (SwitchMode(row.mode), row.resumes_at) if row is not None else (SwitchMode.ON, None)


def _refuse_impossible_end(until: dt.datetime | None, session: Session) -> None:
    """Raise InvalidRequest for an end that has passed, by the database's clock, or is too far away."""
    now = session.execute(select(db_now())).scalar_one()
    if until is not None and not now < until <= now + dt.timedelta(days=LONGEST_DAYS):
        problem = "This time has passed" if until <= now else f"It can be paused for {LONGEST_DAYS} days at most"
        raise InvalidRequest({"until": [f"{problem}; choose another time, or none."]})


def _write_switch(  # noqa: PLR0913 - the columns of its row
    session: Session, name: str, mode: SwitchMode, actor: Actor, why: str, resumes_at: dt.datetime | None
) -> None:
    about = {"mode": mode.value, "reason": why, "changed_at": db_now(), "actor": actor.name, "resumes_at": resumes_at}
    session.execute(upsert(session, SystemSwitch, {"system": name, **about}, about, unique="system"))
