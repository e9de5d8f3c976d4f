"""What is known about effects besides our own calls: manual resolutions, and what reconciliation found."""

from __future__ import annotations

import datetime as dt
import uuid
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from orderapp.domain.outcome import Finding
from orderapp.domain.states import MismatchState
from orderapp.models.base import Base, BigId, UtcDateTime, one_of, partial_index, state_column


class Resolution(StrEnum):
    """What staff say about an effect that nobody could prove."""

    HAPPENED = "happened"
    NOT_HAPPENED = "not_happened"
    GIVEN_UP = "given_up"  # nobody works on it any more; it may be in place


class ManualResolution(Base):
    """A manual resolution of an effect. It counts as unproven until something proves or disproves it."""

    __tablename__ = "manual_resolutions"
    __table_args__ = (
        one_of("resolution", Resolution),
        Index("ix_manual_resolutions_order_id", "order_id"),
        Index("ix_manual_resolutions_task_id", "task_id"),
        # For unproven ones: the first page shows them, and each reconciliation checks them.
        Index(
            "ix_manual_resolutions_unproven",
            "id",
            postgresql_where=text("ended_at IS NULL"),
            sqlite_where=text("ended_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    order_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("orders.id"))
    task_id: Mapped[int] = mapped_column(ForeignKey("tasks.id"))
    system: Mapped[str] = mapped_column(String(32))
    key: Mapped[str] = mapped_column(String(64))
    resolution: Mapped[str] = mapped_column(state_column(Resolution))
    reason: Mapped[str] = mapped_column(String(500))
    # E-mail address of the member of staff, or `command line`.
    actor: Mapped[str] = mapped_column(String(254))
    made_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    # When it was proved, disproved or withdrawn, and by what.
    ended_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    ended_by: Mapped[str | None] = mapped_column(String(200))


class Reconciliation(Base):
    """One reconciliation run over a period's orders: its progress and result. It is resumed where it stopped."""

    __tablename__ = "reconciliations"
    __table_args__ = (Index("ix_reconciliations_newest", "started_at"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    started_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    since_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    # The last order that was compared, as (created_at, id).
    reached_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    reached_order_id: Mapped[uuid.UUID | None] = mapped_column()
    # The lease: one process works on the run at a time, and another one continues if it dies.
    lease_until: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    fencing: Mapped[int] = mapped_column(Integer, default=1)
    finished_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    # JSON: orders, in_progress, effects, unaskable, not_checked, differences.
    counts: Mapped[str] = mapped_column(Text)


class Check(Base):
    """A question about one effect that staff had asked at once, and its answer. Written once, never changed."""

    __tablename__ = "checks"
    __table_args__ = (
        one_of("finding", Finding),
        CheckConstraint("duration_ms >= 0", name="duration_not_negative"),
        Index("ix_checks_order_id", "order_id"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    order_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("orders.id"))
    system: Mapped[str] = mapped_column(String(32))
    key: Mapped[str] = mapped_column(String(64))
    # E-mail address of the member of staff.
    actor: Mapped[str] = mapped_column(String(254))
    started_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    duration_ms: Mapped[int] = mapped_column(Integer)
    finding: Mapped[str] = mapped_column(state_column(Finding))
    code: Mapped[str] = mapped_column(String(64))
    message: Mapped[str] = mapped_column(String(500))
    # As in `attempts`.
    exchanges: Mapped[str] = mapped_column(Text)


class Mismatch(Base):
    """A mismatch: a system says otherwise than our rows."""

    __tablename__ = "mismatches"
    __table_args__ = (
        one_of("state", MismatchState),
        # An effect has at most one unresolved mismatch: a second run that sees it again increases its count.
        Index(
            "uq_mismatches_key_unresolved",
            "key",
            unique=True,
            postgresql_where=text("state <> 'gone'"),
            sqlite_where=text("state <> 'gone'"),
        ),
        Index("ix_mismatches_state_newest", "state", "id"),
        Index("ix_mismatches_order_id", "order_id"),
        # For the foreign keys: the database checks them for each placement and task that is deleted with its order.
        Index("ix_mismatches_placement_id", "placement_id"),
        partial_index("ix_mismatches_task_id", "task_id"),
        CheckConstraint("seen >= 1", name="seen_once"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    order_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("orders.id"))
    placement_id: Mapped[int] = mapped_column(ForeignKey("placements.id"))
    system: Mapped[str] = mapped_column(String(32))
    key: Mapped[str] = mapped_column(String(64))
    # missing effect, orphan effect, wrong state
    kind: Mapped[str] = mapped_column(String(20))
    # What our rows say, and what the system says, as text.
    ours: Mapped[str] = mapped_column(String(200))
    theirs: Mapped[str] = mapped_column(String(200))
    # The proposed correction, a value of `compare.Correction`; empty if there is none.
    correction: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(state_column(MismatchState))
    # How often it was seen, first and last.
    seen: Mapped[int] = mapped_column(Integer, default=1)
    found_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    last_seen_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    # The task of the correction, once staff have ordered it.
    task_id: Mapped[int | None] = mapped_column(ForeignKey("tasks.id"))
    gone_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
