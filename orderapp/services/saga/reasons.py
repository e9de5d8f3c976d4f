"""Why an order wasn't placed, or was cancelled, in the words of its customer: the same on its page and in messages."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, select

from orderapp.domain.outcome import Outcome
from orderapp.languages import Language
from orderapp.models import Placement, table_of
from orderapp.services.resilience.admission import PAUSED
from orderapp.services.saga.values import Stopped
from orderapp.systems.registry import Systems

_PLACEMENTS = table_of(Placement).c
_STOPPED = select(_PLACEMENTS.failed_system, _PLACEMENTS.failed_outcome, _PLACEMENTS.failed_code).where(
    _PLACEMENTS.id == bindparam("placement")
)


def reason_of(stopped: Stopped | None, systems: Systems, spoken: Language) -> str:
    """Return a sentence in a language; an empty text if nothing prevented the order."""
    if stopped is None:
        return ""
    if not stopped.system:
        return spoken.gettext(
            "Something interrupted us while we placed your order. This is not your fault; trying again usually helps."
        )
    title = systems.text(systems.title_of(stopped.system), spoken)
    if is_paused(stopped):
        return spoken.gettext("%(title)s: we can't arrange this at the moment; please try again later.", title=title)
    if stopped.outcome is not Outcome.REFUSED:
        return spoken.gettext(
            "%(title)s: we didn't get a reliable answer in time. This is not your fault; trying again usually helps.",
            title=title,
        )
    system = systems.get(stopped.system)
    if system and stopped.code in system.refusals:
        return systems.text(system.refusals[stopped.code], spoken)
    return spoken.gettext("%(title)s: this couldn't be arranged for your order.", title=title)


def what_stopped(connection: Connection, placement_id: int) -> Stopped | None:
    """Return what ended a placement or cancelled its order; None if nothing did. Transaction: within the caller's."""
    row = connection.execute(_STOPPED, {"placement": placement_id}).one()
    if row.failed_outcome is None:
        return None
    return Stopped(row.failed_system or "", Outcome(row.failed_outcome), row.failed_code or "")


def is_paused(stopped: Stopped | None) -> bool:
    """Return whether staff have paused the system that stopped it: nothing was sent, so nothing was late."""
    return stopped is not None and stopped.code == PAUSED.code
