"""Asks the systems what is in place under our keys, and judges whether our rows say the same."""

from __future__ import annotations

import datetime as dt
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from orderapp.domain.orders import Effect, OrderDocument
from orderapp.domain.outcome import Finding, Report
from orderapp.domain.verbs import Verb
from orderapp.models import Circuit, CircuitState, SwitchMode, SystemSwitch
from orderapp.services.reconciliation.expected import Belief, EndedOrder
from orderapp.services.saga.key_ages import may_be_forgotten
from orderapp.systems.base import System

# After this many unclear answers in a row a system isn't asked for a while: each question may last its full time-out,
# and there may be thousands.
MAX_UNCLEAR_IN_A_ROW = 3
MAX_WORDS = 200  # characters of a system's answer, as long as its column


class Kind(StrEnum):
    """The kind of a mismatch."""

    MISSING = "missing effect"
    ORPHAN = "orphan effect"
    WRONG_STATE = "wrong state"
    NOT_CHECKED = "could not be checked"


class Correction(StrEnum):
    """The correction that would resolve a mismatch."""

    DO = "do"  # cause the effect (again), under its key
    UNDO = "undo"  # take the effect back; if nothing is in place, find that out and close the order
    UNDO_SURPLUS = "undo_surplus"  # take back all but one
    CANCEL = "cancel"  # cancel the order, because the effect can't be caused again under its key
    NONE = ""  # compare again later


@dataclass(frozen=True, slots=True)
class Look:
    """The result of asking about one key."""

    order_id: uuid.UUID  # the order the key belongs to
    order_number: str  # its number
    belief: Belief  # what our rows say
    finding: Finding | None  # what the system said; None without a clear answer
    kind: Kind | None  # the kind of the mismatch; None if the system says the same as our rows
    correction: Correction  # the correction that would resolve it
    theirs: str  # what the system said, as text

    @property
    def differs(self) -> bool:
        """Whether the system says something else than our rows."""
        return self.kind not in (None, Kind.NOT_CHECKED)


@dataclass(frozen=True, slots=True)
class Compared:
    """An order whose keys were compared; `unaskable` is how many keys belong to systems that can't be asked."""

    order: EndedOrder
    looks: tuple[Look, ...]
    unaskable: int

    @property
    def differs(self) -> bool:
        """Whether the order has a mismatch."""
        return any(look.differs for look in self.looks)


class Comparing:
    """Asks about some orders, one after the other. No transaction is open meanwhile."""

    def __init__(
        self,
        systems: Mapping[str, System],
        out_of_use: Mapping[str, str],
        now: dt.datetime,
        before_each: Callable[[], None],
    ) -> None:
        """Take the systems, reasons not to ask some of them, the time, and a function to call before each question."""
        self._systems = systems
        self._out_of_use = out_of_use
        self._now = now
        self._before_each = before_each
        self._unclear_in_a_row: Counter[str] = Counter()

    def compare(self, order: EndedOrder, document: OrderDocument) -> Compared:
        """Ask about each key of an order. Change nothing, here or elsewhere."""
        askable = [belief for belief in order.beliefs if self._can_be_asked(belief.system)]
        looks = tuple(self._look(order, belief, document) for belief in askable)
        return Compared(order, looks, len(order.beliefs) - len(askable))

    def _can_be_asked(self, name: str) -> bool:
        # A system that was removed may have been able to answer, so its keys count as not checked.
        return name not in self._systems or self._systems[name].can(Verb.ASK)

    def _look(self, order: EndedOrder, belief: Belief, document: OrderDocument) -> Look:
        if why := self._not_to_be_asked(belief.system):
            return _not_checked(order, belief, why)
        self._before_each()
        report = self._systems[belief.system].ask(Effect(belief.key, document))
        if report.finding is Finding.UNCLEAR:
            self._unclear_in_a_row[belief.system] += 1
            return _not_checked(order, belief, report.answer.message or report.answer.code)
        self._unclear_in_a_row[belief.system] = 0
        if report.finding is Finding.ABSENT and self._may_be_forgotten(belief):
            return _not_checked(order, belief, "nothing; it may have forgotten the key by now")
        kind, correction = judge(belief, report)
        return Look(order.id, order.number, belief, report.finding, kind, correction, _in_words(report))

    def _may_be_forgotten(self, belief: Belief) -> bool:
        return may_be_forgotten(self._systems[belief.system], (self._now - belief.used_at).total_seconds())

    def _not_to_be_asked(self, name: str) -> str:
        if name not in self._systems or not self._systems[name].configured:
            return "the system is not configured"
        if self._unclear_in_a_row[name] >= MAX_UNCLEAR_IN_A_ROW:
            return "not asked any more, after several unclear answers"
        return self._out_of_use.get(name, "")


def judge(belief: Belief, report: Report) -> tuple[Kind | None, Correction]:
    """Return the kind of the mismatch, None if there is none, and its correction. The report must be a clear one."""
    if not belief.held:
        if report.finding in (Finding.IN_PLACE, Finding.PENDING):
            return Kind.ORPHAN, Correction.UNDO
        # Nothing is held, but the order still waits for this compensation.
        return (Kind.WRONG_STATE, Correction.UNDO) if belief.given_up else (None, Correction.NONE)
    if report.finding is Finding.ABSENT:
        return Kind.MISSING, Correction.DO
    if report.finding is Finding.UNDONE:
        return Kind.MISSING, Correction.CANCEL
    if len(report.effects) > 1:
        return Kind.WRONG_STATE, Correction.UNDO_SURPLUS
    return (Kind.WRONG_STATE if report.finding is Finding.PENDING else None), Correction.NONE


def systems_out_of_use(session: Session) -> dict[str, str]:
    """Return the systems that must not be asked now, and why. Transaction: within the caller's."""
    paused = session.scalars(select(SystemSwitch.system).where(SystemSwitch.mode == SwitchMode.PAUSED.value))
    failing = session.scalars(select(Circuit.system).where(Circuit.state != CircuitState.CLOSED.value))
    return {
        **dict.fromkeys(failing, "not asked: the system fails at present"),
        **dict.fromkeys(paused, "not asked: staff have paused the system"),
    }


def _not_checked(order: EndedOrder, belief: Belief, why: str) -> Look:
    return Look(order.id, order.number, belief, None, Kind.NOT_CHECKED, Correction.NONE, why[:MAX_WORDS])


def _in_words(report: Report) -> str:
    words = report.finding.value.replace("_", " ")
    return f"{words}, {len(report.effects)} times" if len(report.effects) > 1 else words
