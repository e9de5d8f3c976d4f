"""What partners have told us."""

from __future__ import annotations

import datetime as dt
import uuid

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from orderapp.models.base import Base, BigId, UtcDateTime, partial_index


class HeardCallback(Base):
    """A callback about one key, recorded once for equal content. `order_id` is empty for a key we don't know."""

    __tablename__ = "callbacks"
    __table_args__ = (
        UniqueConstraint("system", "key", "digest"),
        partial_index("ix_callbacks_order_id", "order_id"),
        Index("ix_callbacks_system_newest", "system", "id"),
        Index(
            "ix_callbacks_unknown",
            "received_at",
            postgresql_where=text("order_id IS NULL"),
            sqlite_where=text("order_id IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    system: Mapped[str] = mapped_column(String(32))
    key: Mapped[str] = mapped_column(String(64))
    digest: Mapped[str] = mapped_column(String(64))
    order_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("orders.id"))
    # What it said, masked and bounded.
    said: Mapped[str] = mapped_column(Text)
    # When a task was made due because of it; empty if none was.
    acted_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    received_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
