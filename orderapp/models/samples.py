"""Samples, one a minute: how many orders weren't right, and which systems were held up."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from orderapp.models.base import Base, one_of

PAUSED, FAILING = "paused", "failing"


class OrderSample(Base):
    """The orders that weren't right in a minute, by lane. Each order is in one lane."""

    __tablename__ = "order_samples"
    __table_args__ = (CheckConstraint("needs_staff >= 0 AND waits >= 0 AND heals >= 0", name="counts"),)

    # Minutes since 1970, in UTC.
    minute: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    needs_staff: Mapped[int] = mapped_column(Integer)
    waits: Mapped[int] = mapped_column(Integer)
    heals: Mapped[int] = mapped_column(Integer)


class HoldupSample(Base):
    """A system that was paused by staff, or failing, in a minute; no row means that it was in use."""

    __tablename__ = "holdup_samples"
    __table_args__ = (one_of("cause", (PAUSED, FAILING)),)

    minute: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    system: Mapped[str] = mapped_column(String(32), primary_key=True)
    cause: Mapped[str] = mapped_column(String(7))
