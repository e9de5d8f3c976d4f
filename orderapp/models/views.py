"""Saved views of the back office's lists."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from orderapp.models.access import Role
from orderapp.models.base import Base, BigId, UtcDateTime, one_of, state_column


class SavedView(Base):
    """The filters of a list under a name, for their owner, or for everybody of a role and the roles above it."""

    __tablename__ = "saved_views"
    __table_args__ = (UniqueConstraint("staff_id", "list", "name"), one_of("shared_with", Role))

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    # The endpoint of the list, such as `orders`.
    list: Mapped[str] = mapped_column(String(32))
    name: Mapped[str] = mapped_column(String(60))
    # The part of the list's address after the question mark; never what was searched for.
    query: Mapped[str] = mapped_column(String(500))
    # The least role that sees it; empty: its owner alone.
    shared_with: Mapped[str | None] = mapped_column(state_column(Role))
    created_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
