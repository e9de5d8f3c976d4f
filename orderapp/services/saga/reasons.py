"""Why an order wasn't placed, or was cancelled, in the words of its customer: the same on its page and in messages."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, bindparam, select

from orderapp.domain.orders import Line
from orderapp.domain.outcome import Outcome, Shortage
from orderapp.languages import Language
from orderapp.models import Placement, table_of
from orderapp.services.resilience.admission import PAUSED
from orderapp.services.saga.values import Stopped
from orderapp.systems.registry import Systems

_PLACEMENTS = table_of(Placement).c
_STOPPED = select(
    _PLACEMENTS.failed_system,
    _PLACEMENTS.failed_outcome,
    _PLACEMENTS.failed_code,
    _PLACEMENTS.failed_sku,
    _PLACEMENTS.failed_available,
).where(_PLACEMENTS.id == bindparam("placement"))


def reason_of(stopped: Stopped | None, lines: Iterable[Line], systems: Systems, spoken: Language) -> str:
    """Return why an order with these lines was stopped, a sentence in a language; an empty text if nothing did."""
    if stopped is None:
        return ""
    if stopped.shortage:
        return _what_is_left(stopped.shortage, lines, spoken)
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
    short = Shortage(row.failed_sku, row.failed_available) if row.failed_sku else None
    return Stopped(row.failed_system or "", Outcome(row.failed_outcome), row.failed_code or "", short)


def is_paused(stopped: Stopped | None) -> bool:
    """Return whether staff have paused the system that stopped it: nothing was sent, so nothing was late."""
    return stopped is not None and stopped.code == PAUSED.code


def _what_is_left(short: Shortage, lines: Iterable[Line], spoken: Language) -> str:
    product = next((line.name for line in lines if line.sku == short.sku), short.sku)
    if not short.available:
        return spoken.gettext("\u201c%(product)s\u201d is sold out.", product=product)
    return spoken.ngettext(
        "Only %(number)s of \u201c%(product)s\u201d is left.",
        "Only %(number)s of \u201c%(product)s\u201d are left.",
        short.available,
        product=product,
    )
