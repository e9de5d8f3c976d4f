"""Events, who subscribes to them, and their deliveries."""

from __future__ import annotations

import datetime as dt
import uuid
from urllib.parse import urlsplit

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from orderapp.domain.events import EventType
from orderapp.domain.states import DeliveryState, OrderState
from orderapp.models.base import Base, BigId, UtcDateTime, one_of, state_column


class Event(Base):
    """A fact about an order, written in the transaction that decides it. It is written only if somebody subscribes.

    The ids grow in the order in which one order's events were written: each writer holds the order's row.
    """

    __tablename__ = "events"
    __table_args__ = (
        UniqueConstraint("order_id", "sequence"),
        one_of("type", EventType),
        one_of("state", OrderState),
        CheckConstraint("sequence >= 1", name="sequence_from_one"),
        Index("ix_events_at", "at"),
        Index(
            "ix_events_undistributed",
            "id",
            postgresql_where=text("distributed_at IS NULL"),
            sqlite_where=text("distributed_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    # What receivers tell repeats by, such as `evt_0197a3...`; sorts by time.
    uid: Mapped[str] = mapped_column(String(40), unique=True)
    order_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("orders.id"))
    # `orders.event_number` when it was written.
    sequence: Mapped[int] = mapped_column(Integer)
    type: Mapped[str] = mapped_column(state_column(EventType))
    # The order at that moment.
    state: Mapped[str] = mapped_column(state_column(OrderState))
    placement_number: Mapped[int] = mapped_column(Integer)
    total_minor: Mapped[int] = mapped_column(BigInteger)
    # JSON: what else the event is about, such as the system and the key of an effect.
    details: Mapped[str] = mapped_column(Text)
    at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    # When its deliveries were written.
    distributed_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)


class WebhookSubscription(Base):
    """Where events are sent to: an address, or `exchange:NAME`. A removed one stays as long as its deliveries."""

    __tablename__ = "webhook_subscriptions"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    url: Mapped[str] = mapped_column(String(500))
    # Patterns of `domain.events`, separated by commas.
    events: Mapped[str] = mapped_column(String(300))
    # Stored as it is, because it signs; empty for an exchange, and once the subscription is removed.
    secret: Mapped[str] = mapped_column(String(80))
    # The replaced secret, which signs too until then.
    old_secret: Mapped[str | None] = mapped_column(String(80))
    old_secret_until: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    # When the first of the present series of failures was; empty if the newest attempt succeeded.
    failing_since: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    paused_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    # Why, as one sentence for staff.
    paused_because: Mapped[str | None] = mapped_column(String(500))
    removed_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)

    @property
    def origin(self) -> str:
        """The address as far as everybody on staff may see it."""
        return origin_of(self.url)


def origin_of(url: str) -> str:
    """Return the scheme and host of an address. What comes after them is often a secret that permits to send."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else url  # an exchange's name is no secret


class Delivery(Base):
    """One event for one subscription. It isn't sent while an earlier event of its order waits for the same one."""

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("event_id", "subscription_id"),
        one_of("state", DeliveryState),
        Index(
            "ix_deliveries_waiting",
            "subscription_id",
            "order_id",
            "sequence",
            postgresql_where=text("state = 'waiting'"),
            sqlite_where=text("state = 'waiting'"),
        ),
        Index("ix_deliveries_order_id", "order_id"),
        Index("ix_deliveries_state_newest", "state", "id"),
        Index("ix_deliveries_subscription_newest", "subscription_id", "id"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    subscription_id: Mapped[int] = mapped_column(ForeignKey("webhook_subscriptions.id"))
    event_id: Mapped[int] = mapped_column(ForeignKey("events.id"))
    # The event's, so that the queue of one order can be read from the index.
    order_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("orders.id"))
    sequence: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(state_column(DeliveryState))
    created_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    # When it got the task that works on it; empty while none does.
    queued_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    # How many tasks it has had, and the newest one.
    tasks: Mapped[int] = mapped_column(Integer)
    task_id: Mapped[int | None] = mapped_column(BigInteger)
    ended_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
