"""Who may do what: staff and customers, their sessions, API clients, and counters against guessing."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from orderapp.models.base import Base, BigId, UtcDateTime, one_of, state_column


class Role(StrEnum):
    """What a member of staff may do; each role may do all that the one before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


class Staff(Base):
    """A member of staff."""

    __tablename__ = "staff"
    __table_args__ = (one_of("role", Role), Index("ix_staff_invitation_hash", "invitation_hash", unique=True))

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    # Empty until the owner of an invited account has set a password.
    password_hash: Mapped[str] = mapped_column(String(200))
    role: Mapped[str] = mapped_column(state_column(Role))
    disabled_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    # The secret of the second factor, in base 32; without `totp_since` it waits for its first code.
    totp_secret: Mapped[str | None] = mapped_column(String(32))
    totp_since: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    # The time step of the last code that was taken: each counts once.
    totp_last_step: Mapped[int | None] = mapped_column(BigInteger)
    # The hash of the link by which an invited owner sets a password, and since when it is valid.
    invitation_hash: Mapped[str | None] = mapped_column(String(64))
    invited_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)


class StaffSession(Base):
    """A login. Only a hash of the cookie's token is stored; logging out ends the row, so copied cookies end too."""

    __tablename__ = "staff_sessions"
    __table_args__ = (Index("ix_staff_sessions_staff_id", "staff_id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    created_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    last_seen_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    # When a password or a code was last asked for and right; empty while the login still waits for its code.
    proved_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)


class SignInLink(Base):
    """A link that was sent to a customer's address and isn't used yet. Only a hash of its token is stored."""

    __tablename__ = "sign_in_links"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    # In small letters, as it is compared with those of orders.
    email: Mapped[str] = mapped_column(String(254), index=True)
    ends_at: Mapped[dt.datetime] = mapped_column(UtcDateTime, index=True)


class CustomerSession(Base):
    """A customer who has signed in with a link. Signing out deletes the row, so copied cookies end too."""

    __tablename__ = "customer_sessions"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    email: Mapped[str] = mapped_column(String(254), index=True)
    ends_at: Mapped[dt.datetime] = mapped_column(UtcDateTime, index=True)


class ApiToken(Base):
    """An API client and its token's hash (SHA-256: the token itself is 256 random bits)."""

    __tablename__ = "api_tokens"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    revoked_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)


class RateCounter(Base):
    """How often something was tried in the present window; shared by all processes."""

    __tablename__ = "rate_counters"
    __table_args__ = (CheckConstraint("count <= most", name="count_within_most"),)

    # What is counted and for whom, hashed: e.g. wrong coupon codes from one address.
    bucket: Mapped[str] = mapped_column(String(64), primary_key=True)
    window_ends_at: Mapped[dt.datetime] = mapped_column(UtcDateTime, index=True)
    count: Mapped[int] = mapped_column(Integer)
    # How many the window allows, if the database itself must refuse more, together with the rest of the transaction.
    most: Mapped[int | None] = mapped_column(Integer)


class Refusal(Base):
    """How many requests were refused so far, with one row for each kind of refusal."""

    __tablename__ = "refusals"

    area: Mapped[str] = mapped_column(String(16), primary_key=True)
    status: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    code: Mapped[str] = mapped_column(String(64), primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)
