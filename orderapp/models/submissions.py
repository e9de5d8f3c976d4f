"""One press of the button: the key, the content, the lease; and the lock on a customer's cart."""

from __future__ import annotations

import datetime as dt
import uuid

from sqlalchemy import CheckConstraint, ForeignKey, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from orderapp.models.base import Base, BigId, UtcDateTime, partial_index


class Submission(Base):
    """A submission under its key. While `lease_until` lies ahead, one process is working on the placement."""

    __tablename__ = "submissions"
    __table_args__ = (
        UniqueConstraint("scope", "key"),
        CheckConstraint("length(key) BETWEEN 1 AND 64", name="key_length"),
        partial_index("ix_submissions_lease_until", "lease_until"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    # Whose keys these are: `shop`, or `client:<id>` of an API client.
    scope: Mapped[str] = mapped_column(String(40))
    key: Mapped[str] = mapped_column(String(64))
    content_hash: Mapped[str] = mapped_column(String(80))
    order_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("orders.id"), index=True)
    placement_id: Mapped[int] = mapped_column(ForeignKey("placements.id"), unique=True)
    # Empty once the placement is decided.
    lease_until: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    fencing: Mapped[int] = mapped_column(Integer, default=1)
    created_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)


class CartLock(Base):
    """The last order of a customer's identical cart, and until when another one counts as a probable duplicate."""

    __tablename__ = "cart_locks"

    cart_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    # Checked at the commit, because the lock is taken before the order is written.
    order_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("orders.id", deferrable=True, initially="DEFERRED"), index=True
    )
    placement_number: Mapped[int] = mapped_column(Integer)
    expires_at: Mapped[dt.datetime] = mapped_column(UtcDateTime, index=True)
