"""The audit of staff's acts, and the switches that staff have set."""

from __future__ import annotations

import datetime as dt
import uuid
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from orderapp.models.base import Base, BigId, UtcDateTime, one_of, state_column


class SwitchMode(StrEnum):
    """What a system may be used for."""

    ON = "on"
    COMPENSATE_ONLY = "compensate_only"
    PAUSED = "paused"


class AuditEntry(Base):
    """One act of staff, done or refused: who, when, what, on what, why. Written once, never changed."""

    __tablename__ = "audit_entries"
    __table_args__ = (
        Index("ix_audit_entries_newest", "at", "id"),
        Index("ix_audit_entries_act_newest", "act", "at", "id"),
        Index("ix_audit_entries_actor_newest", "actor", "at", "id"),
        Index("ix_audit_entries_order_id", "order_id"),
        # For the acts on a task that belongs to no order.
        Index(
            "ix_audit_entries_subject_newest",
            "subject",
            "id",
            postgresql_where=text("order_id IS NULL"),
            sqlite_where=text("order_id IS NULL"),
        ),
        Index(
            "ix_audit_entries_refused_newest",
            "at",
            "id",
            postgresql_where=text("refused IS NOT NULL"),
            sqlite_where=text("refused IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"), index=True)
    # E-mail address of the member of staff, or `command line`.
    actor: Mapped[str] = mapped_column(String(254))
    act: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(String(100))
    order_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("orders.id"))
    reason: Mapped[str] = mapped_column(String(500))
    # Why it wasn't done; empty if it was done.
    refused: Mapped[str | None] = mapped_column(String(500))
    # JSON: the values before and after; for a bulk action, the result of each item.
    details: Mapped[str] = mapped_column(Text)
    # Where it came from: the id of the request, which its log lines carry too, and the caller's /24 or /48; or the
    # operating system's user who typed the command.
    request_id: Mapped[str | None] = mapped_column(String(64))
    network: Mapped[str | None] = mapped_column(String(43))
    os_user: Mapped[str | None] = mapped_column(String(64))


class SystemSwitch(Base):
    """Staff's switch for a system; no row means `on`."""

    __tablename__ = "system_switches"
    __table_args__ = (one_of("mode", SwitchMode),)

    system: Mapped[str] = mapped_column(String(32), primary_key=True)
    mode: Mapped[str] = mapped_column(state_column(SwitchMode))
    reason: Mapped[str] = mapped_column(String(500))
    changed_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    # E-mail address of the member of staff, or `command line`, or `timer`.
    actor: Mapped[str | None] = mapped_column(String(254))
    # When the timer uses the system again; empty: staff do.
    resumes_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
