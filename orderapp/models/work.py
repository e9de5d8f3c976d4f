"""The work on an order: placements, their steps, tasks, and every attempt. Jobs are tasks without an order."""

from __future__ import annotations

import datetime as dt
import uuid

from sqlalchemy import Boolean, CheckConstraint, ForeignKey, Index, Integer, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from orderapp.domain.outcome import Outcome
from orderapp.domain.states import News, PlacementState, StepState, TaskKind, TaskState
from orderapp.models.base import Base, BigId, UtcDateTime, one_of, partial_index, state_column


class Placement(Base):
    """One pass over the blocking systems. `failed_*` says which system ended it, and how."""

    __tablename__ = "placements"
    __table_args__ = (
        UniqueConstraint("order_id", "number"),
        one_of("state", PlacementState),
        one_of("failed_outcome", Outcome),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    order_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("orders.id"))
    number: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(state_column(PlacementState))
    failed_system: Mapped[str | None] = mapped_column(String(32))
    failed_outcome: Mapped[str | None] = mapped_column(state_column(Outcome))
    failed_code: Mapped[str | None] = mapped_column(String(64))
    failed_sku: Mapped[str | None] = mapped_column(String(64))  # the product of which there was too little
    failed_available: Mapped[int | None] = mapped_column(Integer)
    started_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    decided_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    # The step that is being called, where that takes a while. Only for the customer's page: nothing is decided by it.
    called_position: Mapped[int | None] = mapped_column(Integer)

    steps: Mapped[list[Step]] = relationship(order_by="Step.position")


class Step(Base):
    """One blocking system's part in a placement: planned before the call, then what is known about it."""

    __tablename__ = "steps"
    __table_args__ = (
        UniqueConstraint("placement_id", "system"),
        one_of("state", StepState),
        one_of("outcome", Outcome),
        # For the measured failure rates, which read a system's newest steps.
        Index("ix_steps_system_newest", "system", "id"),
        Index("ix_steps_order_id", "order_id"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    placement_id: Mapped[int] = mapped_column(ForeignKey("placements.id"))
    order_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("orders.id"))
    system: Mapped[str] = mapped_column(String(32))
    position: Mapped[int] = mapped_column(Integer)
    key: Mapped[str] = mapped_column(String(64), unique=True)
    state: Mapped[str] = mapped_column(state_column(StepState))
    outcome: Mapped[str | None] = mapped_column(state_column(Outcome))
    code: Mapped[str | None] = mapped_column(String(64))
    decided_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)


class Task(Base):
    """Work that must happen. The rows are the outbox: `publish_at` is when the relay sends the next hint."""

    __tablename__ = "tasks"
    __table_args__ = (
        # One effect, one task: a second compensation of the same step, or a second message of the same news, can't be
        # written.
        UniqueConstraint("placement_id", "kind", "system", "news"),
        # A job belongs to no order, every other task to one.
        CheckConstraint("(kind = 'job') = (order_id IS NULL)", name="order_unless_job"),
        CheckConstraint("(kind = 'job') = (placement_id IS NULL)", name="placement_unless_job"),
        CheckConstraint("(kind = 'job') = (system LIKE '%-%')", name="name_of_job"),
        CheckConstraint("(kind = 'job') = (arguments IS NOT NULL)", name="arguments_of_job"),
        CheckConstraint("kind = 'job' OR scheduled_at IS NULL", name="schedule_of_job"),
        # The same work of a job is one task, however often it is enqueued and however many timers there are.
        Index(
            "uq_tasks_job_key",
            "system",
            "key",
            unique=True,
            postgresql_where=text("kind = 'job'"),
            sqlite_where=text("kind = 'job'"),
        ),
        # For the tasks of jobs that ended long ago.
        Index(
            "ix_tasks_jobs_finished_at",
            "finished_at",
            postgresql_where=text("kind = 'job'"),
            sqlite_where=text("kind = 'job'"),
        ),
        # For the newest run of a schedule.
        Index(
            "ix_tasks_scheduled_at",
            "system",
            "scheduled_at",
            postgresql_where=text("scheduled_at IS NOT NULL"),
            sqlite_where=text("scheduled_at IS NOT NULL"),
        ),
        one_of("kind", TaskKind),
        one_of("news", ("", *News)),
        one_of("state", TaskState),
        CheckConstraint("attempts >= 0 AND attempt_limit >= 0 AND fencing >= 0", name="counts"),
        CheckConstraint("(state = 'running') = (lease_until IS NOT NULL)", name="running_has_lease"),
        CheckConstraint("state <> 'waiting' OR due_at IS NOT NULL", name="waiting_has_due_time"),
        Index(
            "ix_tasks_publish_at",
            "system",
            "publish_at",
            postgresql_where=text("publish_at IS NOT NULL"),
            sqlite_where=text("publish_at IS NOT NULL"),
        ),
        partial_index("ix_tasks_lease_until", "lease_until"),
        Index("ix_tasks_order_id", "order_id"),
        # For lists of tasks, newest first. Normal orders have no compensation, so the last index costs them nothing.
        Index("ix_tasks_state_newest", "state", "id"),
        Index("ix_tasks_system_state_newest", "system", "state", "id"),
        Index(
            "ix_tasks_compensations_newest",
            "state",
            "id",
            postgresql_where=text("kind = 'compensate'"),
            sqlite_where=text("kind = 'compensate'"),
        ),
        partial_index("ix_tasks_step_id", "step_id"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    # Empty for a job.
    order_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("orders.id"))
    placement_id: Mapped[int | None] = mapped_column(ForeignKey("placements.id"))
    step_id: Mapped[int | None] = mapped_column(ForeignKey("steps.id"))
    kind: Mapped[str] = mapped_column(state_column(TaskKind))
    # The external system that it calls, or the job that it runs.
    system: Mapped[str] = mapped_column(String(32))
    # What a message tells; empty for tasks that send none.
    news: Mapped[str] = mapped_column(state_column(News), default="", server_default=text("''"))
    # The key of the effect that it causes or undoes; for a job, what tells its tasks apart.
    key: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(state_column(TaskState))
    due_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    # Attempts used up; a snooze gives its attempt back.
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    attempt_limit: Mapped[int] = mapped_column(Integer)
    lease_until: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    # All claims so far, and so the number of the newest attempt.
    claims: Mapped[int] = mapped_column(Integer, default=0)
    # The fencing token; a holder with an older one has lost the task.
    fencing: Mapped[int] = mapped_column(Integer, default=0)
    publish_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    last_code: Mapped[str | None] = mapped_column(String(64))
    # One sentence for staff: why it waits or why it needs them.
    last_message: Mapped[str | None] = mapped_column(String(500))
    # Before this time "the system shows nothing" proves nothing (late window).
    absent_from: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    # When the key was first used in a call. It stays the same for the key; only a new key starts again.
    key_used_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    # Unknown outcomes of attempts up to this number don't count any more: the key was barred, or staff have decided.
    cleared_claims: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    # For a compensation: how many effects under the key must stay; 1 if only a surplus is taken back.
    keep: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    # How often the answer was "accepted, finishing later" since staff last made it due: the pause grows with it.
    pending_answers: Mapped[int] = mapped_column(Integer, server_default="0")
    # How often the newest attempt's answer was repeated, without its own row, and when last.
    repeats: Mapped[int] = mapped_column(Integer, server_default="0")
    repeated_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    # When it was opened again last, after it was done: its effect came late, or its customer corrected the address.
    reopened_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    # Of a job: its arguments (a JSON object), and the time of its schedule that this is the run for.
    arguments: Mapped[str | None] = mapped_column(Text)
    scheduled_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)

    @property
    def its_order_id(self) -> uuid.UUID:
        """The order that the task belongs to. LookupError for a job, which belongs to none."""
        if self.order_id is None:
            raise LookupError(f"task {self.id} is a job's and has no order")
        return self.order_id

    @property
    def its_placement_id(self) -> int:
        """The placement that the task belongs to. LookupError for a job, which belongs to none."""
        if self.placement_id is None:
            raise LookupError(f"task {self.id} is a job's and has no placement")
        return self.placement_id


class Attempt(Base):
    """One run against a system, in the request (with a step) or of a task, or of a job. Written once, never changed."""

    __tablename__ = "attempts"
    __table_args__ = (
        one_of("outcome", Outcome),
        CheckConstraint("duration_ms >= 0", name="duration_not_negative"),
        CheckConstraint("task_id IS NOT NULL OR step_id IS NOT NULL", name="belongs_to_something"),
        CheckConstraint("(verb = 'run') = (order_id IS NULL)", name="order_unless_run"),
        Index("ix_attempts_order_id", "order_id"),
        partial_index("ix_attempts_task_id", "task_id", "number"),
        partial_index("ix_attempts_step_id", "step_id"),
        Index("ix_attempts_system_newest", "system", "started_at"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    # Empty for the run of a job.
    order_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("orders.id"))
    task_id: Mapped[int | None] = mapped_column(ForeignKey("tasks.id"))
    step_id: Mapped[int | None] = mapped_column(ForeignKey("steps.id"))
    system: Mapped[str] = mapped_column(String(32))
    # The claim it belongs to, for a task; 1, 2, ... within the request, for a step.
    number: Mapped[int] = mapped_column(Integer)
    # act, ask or undo; run, for a job
    verb: Mapped[str] = mapped_column(String(8))
    started_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    duration_ms: Mapped[int] = mapped_column(Integer)
    worker: Mapped[str] = mapped_column(String(120))
    outcome: Mapped[str] = mapped_column(state_column(Outcome))
    code: Mapped[str] = mapped_column(String(64))
    # Whether the attempt shows that the system works or fails; empty if it shows neither.
    worked: Mapped[bool | None] = mapped_column(Boolean)
    message: Mapped[str] = mapped_column(String(500))
    # What was sent and answered, masked and bounded: JSON list of {"request", "response", "duration_ms"}.
    exchanges: Mapped[str] = mapped_column(Text)
    # How often the answer of the task's previous attempt had been repeated, and when last: a series of equal answers
    # has one row, and this attempt ends the series.
    repeats: Mapped[int] = mapped_column(Integer, server_default="0")
    repeated_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
