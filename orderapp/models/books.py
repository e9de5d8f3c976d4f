"""What is known of effects beside our own calls: staff's word on them, and what reconciliation found."""

from __future__ import annotations

import datetime as dt
import uuid
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from orderapp.domain.states import DriftState
from orderapp.models.base import Base, BigId, UtcDateTime, one_of, partial_index, state_column


class Word(StrEnum):
    """What staff say of an effect that nobody could prove."""

    HAPPENED = "happened"
    NOT_HAPPENED = "not_happened"
    GIVEN_UP = "given_up"  # nothing more is tried; it may well be in place


class Override(Base):
    """Staff's word on an effect. It stays on the order's books until something proves or disproves it."""

    __tablename__ = "overrides"
    __table_args__ = (
        one_of("word", Word),
        Index("ix_overrides_order_id", "order_id"),
        Index("ix_overrides_task_id", "task_id"),
        # What is still unproven: shown on the first page, and looked at by each reconciliation.
        Index(
            "ix_overrides_unproven",
            "id",
            postgresql_where=text("settled_at IS NULL"),
            sqlite_where=text("settled_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    order_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("orders.id"))
    task_id: Mapped[int] = mapped_column(ForeignKey("tasks.id"))
    system: Mapped[str] = mapped_column(String(32))
    key: Mapped[str] = mapped_column(String(64))
    word: Mapped[str] = mapped_column(state_column(Word))
    reason: Mapped[str] = mapped_column(String(500))
    # E-mail address of the member of staff, or `command line`.
    actor: Mapped[str] = mapped_column(String(254))
    said_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    # When something proved or disproved it, or staff took it back; and what did.
    settled_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    settled_by: Mapped[str | None] = mapped_column(String(200))


class Reconciliation(Base):
    """One run over a period's orders: how far it is, what it came to. Resumed where it stopped."""

    __tablename__ = "reconciliations"
    __table_args__ = (Index("ix_reconciliations_newest", "started_at"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    started_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    since_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    # The last order looked at, as (created_at, id).
    reached_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    reached_order_id: Mapped[uuid.UUID | None] = mapped_column()
    # Who works on it until when: one process at a time, and another goes on when it dies.
    lease_until: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    fencing: Mapped[int] = mapped_column(Integer, default=1)
    finished_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    # JSON: orders, unsettled, effects, unaskable, not_checked, differences.
    counts: Mapped[str] = mapped_column(Text)


class Drift(Base):
    """An effect that isn't as our rows say."""

    __tablename__ = "drifts"
    __table_args__ = (
        one_of("state", DriftState),
        # One effect, one open drift: a second run that sees it again counts it up.
        Index(
            "uq_drifts_key_unsettled",
            "key",
            unique=True,
            postgresql_where=text("state <> 'gone'"),
            sqlite_where=text("state <> 'gone'"),
        ),
        Index("ix_drifts_state_newest", "state", "id"),
        Index("ix_drifts_order_id", "order_id"),
        # Asked by the database itself for each placement and task that is deleted with its order.
        Index("ix_drifts_placement_id", "placement_id"),
        partial_index("ix_drifts_task_id", "task_id"),
        CheckConstraint("seen >= 1", name="seen_once"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    order_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("orders.id"))
    placement_id: Mapped[int] = mapped_column(ForeignKey("placements.id"))
    system: Mapped[str] = mapped_column(String(32))
    key: Mapped[str] = mapped_column(String(64))
    # missing effect, orphan effect, wrong state
    kind: Mapped[str] = mapped_column(String(20))
    # What we believe, and what the system says, in words.
    ours: Mapped[str] = mapped_column(String(200))
    theirs: Mapped[str] = mapped_column(String(200))
    # What would put it right: a word of the reconciling service; empty where people have to look.
    repair: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(state_column(DriftState))
    # How often it was seen, first and last.
    seen: Mapped[int] = mapped_column(Integer, default=1)
    found_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    last_seen_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    # The task that repairs it, once staff have ordered that.
    task_id: Mapped[int | None] = mapped_column(ForeignKey("tasks.id"))
    settled_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
