"""Orders that were moved out into files: which, and where to look for them."""

from __future__ import annotations

import datetime as dt
import uuid

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from orderapp.models.base import Base, BigId, UtcDateTime


class Archive(Base):
    """One run that moved orders into a file."""

    __tablename__ = "archives"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    started_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    # As whoever ran it named it, in full.
    file: Mapped[str] = mapped_column(String(500))


class ArchivedOrder(Base):
    """What stays of an archived order, a hundredth of it: history may leave the database only with such a row, and its
    number is never given to another order, whose keys the systems would take for the old ones.
    """

    __tablename__ = "archived_orders"

    order_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(String(32), unique=True)
    archive_id: Mapped[int] = mapped_column(ForeignKey("archives.id"))
