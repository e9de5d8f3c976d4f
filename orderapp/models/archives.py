"""Archived orders: which ones, and in which file."""

from __future__ import annotations

import datetime as dt
import uuid

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from orderapp.models.base import Base, BigId, UtcDateTime


class Archive(Base):
    """One run that moved orders into a file."""

    __tablename__ = "archives"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    started_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    # The full path, as given by the operator.
    file: Mapped[str] = mapped_column(String(500))


class ArchivedOrder(Base):
    """What stays of an archived order, a hundredth of its size. History may be deleted only if such a row exists. No
    other order gets its number, because the systems would confuse the keys of the two.
    """

    __tablename__ = "archived_orders"

    order_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(String(32), unique=True)
    archive_id: Mapped[int] = mapped_column(ForeignKey("archives.id"))


class ArchivedKey(Base):
    """An idempotency key that led to an archived order: it never leads to another one."""

    __tablename__ = "archived_keys"
    __table_args__ = (Index("ix_archived_keys_order_id", "order_id"),)

    # As in `submissions`.
    scope: Mapped[str] = mapped_column(String(40), primary_key=True)
    key_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    content_hash: Mapped[str] = mapped_column(String(80))
    order_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("archived_orders.order_id"))
