"""The second factor of staff: recovery codes, and the roles that it is demanded of. Its secret is in `Staff`."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from orderapp.models.access import Role
from orderapp.models.base import Base, BigId, UtcDateTime, one_of, state_column


class RecoveryCode(Base):
    """A code that counts once, instead of one from the device. Only its SHA-256 is stored: it is 80 random bits."""

    __tablename__ = "recovery_codes"
    __table_args__ = (Index("ix_recovery_codes_staff_id", "staff_id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    code_hash: Mapped[str] = mapped_column(String(64), unique=True)
    used_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)


class FactorDemand(Base):
    """A role whose members can do nothing until they have set up a second factor."""

    __tablename__ = "factor_demands"
    __table_args__ = (one_of("role", Role),)

    role: Mapped[str] = mapped_column(state_column(Role), primary_key=True)
    demanded_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
