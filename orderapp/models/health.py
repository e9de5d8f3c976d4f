"""The health of each system, shared by all processes: its circuit breaker and its rate slot."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum

from sqlalchemy import CheckConstraint, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from orderapp.models.base import Base, BigId, UtcDateTime, one_of, state_column


class CircuitState(StrEnum):
    """The state of a circuit breaker."""

    CLOSED = "closed"  # calls go out
    OPEN = "open"  # the system fails: only a probe is sent from time to time
    HALF_OPEN = "half_open"  # it answers a harmless question again: one task at a time tries whether it works


class Circuit(Base):
    """A system's circuit; no row means closed."""

    __tablename__ = "circuits"
    __table_args__ = (one_of("state", CircuitState), CheckConstraint("probe_pause_seconds >= 1", name="pauses"))

    system: Mapped[str] = mapped_column(String(32), primary_key=True)
    state: Mapped[str] = mapped_column(state_column(CircuitState))
    changed_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    # Why it opened, one sentence for staff.
    reason: Mapped[str] = mapped_column(String(200))
    # While the circuit isn't closed: when a task may probe next, when an order may, and when the timer asks its
    # harmless question. A process takes such a right by moving its time.
    probe_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    order_probe_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    check_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    # The pause between a task's next probe and the one after it; it grows with each probe.
    probe_pause_seconds: Mapped[int] = mapped_column(Integer)
    # Set when the circuit closes, until its waiting tasks are pulled forward; those up to `pulled_task_id` already are.
    recovered_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    pulled_task_id: Mapped[int] = mapped_column(BigId)
    # When the last task that was pulled forward is due.
    pulled_until: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)


class RateSlot(Base):
    """When a system may be called next; no row means now."""

    __tablename__ = "rate_slots"

    system: Mapped[str] = mapped_column(String(32), primary_key=True)
    # By its agreed rate.
    next_call_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    # By the system's Retry-After, which holds only tasks.
    tasks_held_until: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)


class SkippedItem(Base):
    """An item that raised and was skipped, so that the rest could go on."""

    __tablename__ = "skipped_items"
    __table_args__ = (CheckConstraint("times >= 1", name="skipped_once"),)

    # Its kind and its id or name, such as `task:7`.
    item: Mapped[str] = mapped_column(String(80), primary_key=True)
    # placement, task, order, system or loop
    kind: Mapped[str] = mapped_column(String(16))
    times: Mapped[int] = mapped_column(Integer)
    first_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    last_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    # When it is tried again.
    again_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    # What it raised last.
    cause: Mapped[str] = mapped_column(String(300))
