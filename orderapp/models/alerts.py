"""What staff are told without looking: the rules of alerts with their states, and the weekly reports."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, Date, ForeignKey, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from orderapp.models.base import Base, BigId, UtcDateTime, one_of, partial_index, state_column


class AlertKind(StrEnum):
    """What a rule watches; each but the report has a limit."""

    NOT_RIGHT = "not_right"  # orders that aren't right for longer than so many seconds
    BREAKER = "breaker"  # a system that fails for longer than so many seconds
    AT_STAKE = "at_stake"  # orders that aren't right, worth more than so many minor units
    VIEW = "view"  # a saved view with more than so many rows
    REPORT = "report"  # nothing: its address gets the weekly report


class AlertRule(Base):
    """A rule, where it tells of itself, and whether its condition holds."""

    __tablename__ = "alert_rules"
    __table_args__ = (
        one_of("kind", AlertKind),
        CheckConstraint("(email IS NULL) <> (webhook_id IS NULL)", name="one_channel"),
        CheckConstraint("most >= 0", name="most_not_negative"),
        partial_index("ix_alert_rules_view_id", "view_id"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    kind: Mapped[str] = mapped_column(state_column(AlertKind))
    # The limit, in what the kind says.
    most: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str | None] = mapped_column(String(3))
    view_id: Mapped[int | None] = mapped_column(ForeignKey("saved_views.id"))
    # The channel: one of the two.
    email: Mapped[str | None] = mapped_column(String(254))
    webhook_id: Mapped[int | None] = mapped_column(ForeignKey("webhook_subscriptions.id"))
    created_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    # Since when the condition holds, as was told; empty while it doesn't.
    raised_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    # How often it has been told of.
    times: Mapped[int] = mapped_column(Integer, default=0)
    # When it was looked at last, and what was seen, as a sentence.
    looked_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    seen: Mapped[str] = mapped_column(String(500), default="")


class WeeklyReport(Base):
    """The figures of a week, from Monday to Sunday by the shop's clock. Written once, never changed."""

    __tablename__ = "weekly_reports"

    # The week's Monday.
    week: Mapped[dt.date] = mapped_column(Date, primary_key=True)
    made_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    # JSON: see `services/backoffice/weekly_figures.py`.
    figures: Mapped[str] = mapped_column(Text)
