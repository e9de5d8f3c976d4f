"""Check now: asks the systems about one order's effects at once, when staff want to know it.

It is a reconciliation of a single order: the answers are recorded, and once nobody works on the order any more they are
compared with our rows, so that a mismatch appears, or goes away, at once.
"""

from __future__ import annotations

import copy
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog
from sqlalchemy import Float, bindparam, insert, select
from sqlalchemy.orm import Session

from orderapp.config import Settings
from orderapp.domain.orders import Effect, OrderDocument
from orderapp.domain.outcome import Answer, Finding, Outcome, Report
from orderapp.domain.states import LASTING_KINDS, StepState
from orderapp.domain.verbs import Verb
from orderapp.errors import NotFound, WrongState
from orderapp.fast_json import to_json
from orderapp.models import Check, Order, Step, Task, db_now, table_of
from orderapp.services.access import attempt_counters
from orderapp.services.access.refused_acts import refusals_recorded
from orderapp.services.db import audit
from orderapp.services.db.audit import Act, Actor
from orderapp.services.db.transactions import reading, writing
from orderapp.services.reconciliation.compare import Compared, Comparing, systems_out_of_use
from orderapp.services.reconciliation.expected import EndedOrder, ended_orders
from orderapp.services.reconciliation.mismatches import record
from orderapp.services.resilience.bulkheads import behind_bulkhead
from orderapp.services.resilience.rate_limiter import at_its_rate
from orderapp.services.saga.compensation import lock_order
from orderapp.services.saga.order_documents import load_document
from orderapp.systems.base import System
from orderapp.systems.registry import Systems

log = structlog.get_logger()

# A person asks, waits, and looks: a system is asked about one order no more often than this, and by all staff together
# at most once a second on average.
AGAIN_AFTER_SECONDS = 5
MOST_OF_A_SYSTEM, MOST_OF_A_SYSTEM_SECONDS = 60, 60
# Somebody waits for the page: the newest effects, and no further question after this time.
MOST_EFFECTS = 10
MOST_SECONDS = 15.0
NOT_ASKED = Report(Finding.UNCLEAR, Answer(Outcome.NOT_SENT, "not_asked", "it wasn't asked", called=False))

# The start is the database's time minus the seconds since the start.
_INSERT = insert(table_of(Check)).values(started_at=db_now(bindparam("since_start_seconds", type_=Float)))


@dataclass(frozen=True, slots=True)
class Asked:
    """A question about one effect, and the system's answer."""

    system: str
    key: str
    report: Report
    began_at: float  # on this process's monotonic clock
    took_seconds: float
    differs: bool = False  # whether the system says otherwise than our ledger


def check_now(order_id: uuid.UUID, only: str | None, actor: Actor, settings: Settings) -> tuple[Asked, ...]:
    """Ask the systems what is in place of an order's effects, and record the answers.

    Transaction: a count for each system, then one that reads; none while a system is asked; then one, committed here:
        the answers, the audit row, and what they say about mismatches and manual resolutions.
    Idempotent because: nothing is changed elsewhere; asking again adds another answer.
    If we die here: nothing is recorded, and nothing was changed.

    Args:
        order_id: The order.
        only: The one system to ask; None for all that can be asked.
        actor: Who wants to know.
        settings: The systems.

    Returns:
        The answers, newest effects first, at most MOST_EFFECTS.

    Raises:
        NotFound: there is no such order.
        WrongState: there is nothing to ask: no such effect, or the systems are paused or fail.
        TooManyAttempts: a system was asked too often; nothing was asked.
    """
    with reading() as session:
        number = session.scalar(select(Order.number).where(Order.id == order_id))
        if number is None:
            raise NotFound(f"There is no order {order_id}.")
        document = load_document(session, order_id)
        effects = _effects(session, order_id, only, settings.systems)
        before = _ended(session, order_id)
    with refusals_recorded(actor, act := Act("order.check", f"order {number}", order_id=order_id)):
        if not effects:
            raise WrongState("There is nothing to ask about now: no such effect, or its system is paused or fails.")
    for system in dict.fromkeys(name for name, _ in effects):
        attempt_counters.count(("check", str(order_id), system), 1, AGAIN_AFTER_SECONDS)
        attempt_counters.count(("check", system), MOST_OF_A_SYSTEM, MOST_OF_A_SYSTEM_SECONDS)
    asked = tuple(_ask(effects, document, settings.systems))
    details = {one.key: one.report.finding.value for one in asked}
    with writing() as session:
        differing = _compare(session, order_id, before, asked, document, settings.systems)
        session.connection().execute(_INSERT, [_row(order_id, actor, one) for one in asked])
        audit.write(session, actor, replace(act, details=details))
    log.info("order.checked", order=number, asked=len(asked), differing=len(differing), by=actor.staff_id)
    return tuple(replace(one, differs=one.key in differing) for one in asked)


def checks_of(session: Session, order_id: uuid.UUID, most: int) -> Sequence[Check]:
    """Return the newest answers about an order. Transaction: within the caller's."""
    return session.scalars(select(Check).where(Check.order_id == order_id).order_by(Check.id.desc()).limit(most)).all()


def _effects(session: Session, order_id: uuid.UUID, only: str | None, systems: Systems) -> list[tuple[str, str]]:
    """Return system and key of the effects to ask about, the newest first."""
    steps = select(Step.system, Step.key).where(Step.order_id == order_id, Step.state != StepState.PLANNED.value)
    lasting = (Task.order_id == order_id, Task.kind.in_([kind.value for kind in LASTING_KINDS]), Task.step_id.is_(None))
    found = [
        *session.execute(select(Task.system, Task.key).where(*lasting).order_by(Task.id.desc())),
        *session.execute(steps.order_by(Step.id.desc())),
    ]
    out_of_use = systems_out_of_use(session)
    return [
        (name, key)
        for name, key in found
        if (only is None or name == only) and name not in out_of_use and _can_be_asked(systems.get(name))
    ][:MOST_EFFECTS]


def _can_be_asked(system: System | None) -> bool:
    return system is not None and system.configured and system.can(Verb.ASK)


def _ask(effects: Sequence[tuple[str, str]], document: OrderDocument, systems: Systems) -> Iterator[Asked]:
    ends_at = time.monotonic() + MOST_SECONDS
    for name, key in effects:
        began_at = time.monotonic()
        if began_at > ends_at:
            return
        # Like an order's call, it takes a slot of its rate, and of the threads that may wait for the system.
        report = behind_bulkhead(at_its_rate(systems[name])).ask(Effect(key, document))
        yield Asked(name, key, report, began_at, time.monotonic() - began_at)


def _row(order_id: uuid.UUID, actor: Actor, one: Asked) -> dict[str, object]:
    answer = one.report.answer
    return {
        "order_id": order_id,
        "system": one.system,
        "key": one.key,
        "actor": actor.name,
        "since_start_seconds": one.began_at - time.monotonic(),
        "duration_ms": round(1000 * one.took_seconds),
        "finding": one.report.finding.value,
        "code": answer.code[:64],
        "message": answer.message[:500],
        "exchanges": to_json(answer.exchanges),
    }


def _ended(session: Session, order_id: uuid.UUID) -> EndedOrder | None:
    return next(iter(ended_orders(session, [order_id])), None)


def _compare(  # noqa: PLR0913 - what was known before, and what was answered
    session: Session,
    order_id: uuid.UUID,
    before: EndedOrder | None,
    asked: Sequence[Asked],
    document: OrderDocument,
    systems: Systems,
) -> frozenset[str]:
    """Record what the answers say about an order that nobody works on, if it didn't change; return what differs."""
    lock_order(session, order_id)
    if before is None or _ended(session, order_id) != before:
        return frozenset()
    reports = {one.key: one.report for one in asked}
    answered = {name: _answering(system, reports) for name, system in systems.items()}
    now = session.execute(select(db_now())).scalar_one()
    some = replace(before, beliefs=tuple(one for one in before.beliefs if one.key in reports))
    looks = Comparing(answered, {}, now, lambda: None).compare(some, document).looks
    record(session, [Compared(before, looks, 0)], systems)
    return frozenset(look.belief.key for look in looks if look.differs)


def _answering(system: System, reports: Mapping[str, Report]) -> System:
    """Return a system that answers what it has already answered."""
    answering = copy.copy(system)
    setattr(answering, Verb.ASK, lambda effect: reports.get(effect.key, NOT_ASKED))
    return answering
