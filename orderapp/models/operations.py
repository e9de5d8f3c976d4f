"""Operations: one act of staff on many tasks, with a frozen list of them and what became of each."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from orderapp.domain.states import ItemState, OperationState
from orderapp.models.base import Base, BigId, UtcDateTime, one_of, state_column


class Operation(Base):
    """One act on many tasks. It is a draft until somebody starts it; like the audit, a started one stays."""

    __tablename__ = "operations"
    __table_args__ = (
        one_of("state", OperationState),
        Index("ix_operations_state_newest", "state", "id"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    # What is done to each task: a name of `services.backoffice.task_acts`.
    act: Mapped[str] = mapped_column(String(32))
    state: Mapped[str] = mapped_column(state_column(OperationState))
    # JSON: the filters that chose the tasks, or how many were ticked.
    chosen: Mapped[str] = mapped_column(Text)
    # How many tasks its list has.
    total: Mapped[int] = mapped_column(Integer)
    # Who prepared it, then who started it: e-mail address of the member of staff, or `command line`.
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    actor: Mapped[str] = mapped_column(String(254))
    # Empty for a draft.
    reason: Mapped[str] = mapped_column(String(500), default="", server_default=text("''"))
    created_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    started_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    stopped_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    # How often it was started, resumed or stopped. Its job works on it only with this number, so that an older run,
    # which may still be under way, ends.
    turn: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    # The newest task of its job; empty for a draft.
    task_id: Mapped[int | None] = mapped_column(BigInteger)
    # JSON: how many items have each state, as it ended; empty before.
    counts: Mapped[str | None] = mapped_column(Text)


class OperationItem(Base):
    """One task of an operation. What is known of the task is copied, because an archive takes the task away."""

    __tablename__ = "operation_items"
    __table_args__ = (
        # The same task is on a list once; by it, a task's operations are found.
        UniqueConstraint("task_id", "operation_id"),
        one_of("state", ItemState),
        Index("ix_operation_items_state", "operation_id", "state", "id"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    operation_id: Mapped[int] = mapped_column(ForeignKey("operations.id"))
    task_id: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(String(16))
    system: Mapped[str] = mapped_column(String(32))
    # Empty for a job.
    order_number: Mapped[str | None] = mapped_column(String(32))
    state: Mapped[str] = mapped_column(state_column(ItemState))
    # Why it is left out or refused, or what the task said last.
    said: Mapped[str | None] = mapped_column(String(600))
    acted_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    # When it was known what became of it.
    ended_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
