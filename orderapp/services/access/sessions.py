"""Logins of staff, kept in the database: ending the row ends the login, also for copies of its cookie."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

from sqlalchemy import exists, insert, select, update
from sqlalchemy.orm import Session

from orderapp.models import FactorDemand, Role, Staff, StaffSession, db_now
from orderapp.services.db import audit
from orderapp.services.db.audit import Act, Actor
from orderapp.services.db.transactions import reading, writing

TOKEN_BYTES = 32  # 256 random bits; only their SHA-256 is kept, which needs no salt at that length
IDLE_SECONDS = 30 * 60  # a screen left alone over lunch must not stay logged in
LONGEST_SECONDS = 12 * 3600  # a long day's work
# How old the recorded last use may be before it is updated: not every page view needs a write.
NOTE_AFTER_SECONDS = 60
# How long a login waits for the code after the password: enough to find the telephone.
CODE_SECONDS = 300

ALIVE = (
    StaffSession.ended_at.is_(None),
    StaffSession.proved_at.is_not(None),
    StaffSession.created_at > db_now(-LONGEST_SECONDS),
    StaffSession.last_seen_at > db_now(-IDLE_SECONDS),
)
WAITING_FOR_CODE = (
    StaffSession.ended_at.is_(None),
    StaffSession.proved_at.is_(None),
    StaffSession.created_at > db_now(-CODE_SECONDS),
)
RANKS = {role: rank for rank, role in enumerate(Role)}


@dataclass(frozen=True, slots=True)
class Member:
    """A member of staff who has logged in."""

    id: int
    email: str
    role: Role
    lacks_factor: bool = False  # whether a second factor is demanded of their role, and they have none

    @property
    def actor(self) -> Actor:
        """The member as an actor for the audit."""
        return Actor(self.id, self.email)

    def may(self, role: Role) -> bool:
        """Return whether they may do what `role` may; each role may do all that the one before it may."""
        return RANKS[self.role] >= RANKS[role]


def start(session: Session, staff_id: int, *, proved: bool = True) -> str:
    """Open a session; return its token, which we don't store. Transaction: within the caller's.

    Args:
        session: The caller's.
        staff_id: Whose.
        proved: Whether all was proved; otherwise it waits for a code, and opens nothing.
    """
    token = secrets.token_urlsafe(TOKEN_BYTES)
    values = {"token_hash": hash_of(token), "staff_id": staff_id, "created_at": db_now(), "last_seen_at": db_now()}
    session.execute(insert(StaffSession).values(**values, proved_at=db_now() if proved else None))
    return token


def find(token: str, *, by_person: bool = True) -> Member | None:
    """Return the member whose session a token opens; None if it is unknown, ended, too old, idle or of a disabled one.

    Args:
        token: The cookie's token.
        by_person: Whether a person asks: a page that refreshes itself doesn't keep a session from being idle.

    Transaction: one that reads; a second one, committed here, if the recorded last use is older than a minute.
    """
    alive = (StaffSession.token_hash == hash_of(token), *ALIVE)
    stale = StaffSession.last_seen_at < db_now(-NOTE_AFTER_SECONDS)
    lacks_factor = Staff.totp_since.is_(None) & exists().where(FactorDemand.role == Staff.role)
    with reading() as session:
        row = session.execute(
            select(Staff.id, Staff.email, Staff.role, stale, lacks_factor)
            .join(StaffSession, StaffSession.staff_id == Staff.id)
            .where(*alive, Staff.disabled_at.is_(None))
        ).one_or_none()
    if row is None:
        return None
    if row[3] and by_person:
        with writing() as session:
            session.execute(update(StaffSession).where(*alive).values(last_seen_at=db_now()))
    return Member(row[0], row[1], Role(row[2]), bool(row[4]))


def end(token: str, actor: Actor) -> None:
    """End a session. Transaction: one, committed here, with its audit row."""
    with writing() as session:
        ended = session.connection().execute(
            update(StaffSession)
            .where(StaffSession.token_hash == hash_of(token), StaffSession.ended_at.is_(None))
            .values(ended_at=db_now())
        )
        if ended.rowcount:
            audit.write(session, actor, Act("staff.logout", f"staff {actor.staff_id}"))


def end_all(session: Session, staff_id: int, *, but: str = "") -> None:
    """End all sessions of a member of staff, but that of a token. Transaction: within the caller's."""
    others = (StaffSession.staff_id == staff_id, StaffSession.token_hash != hash_of(but))
    session.execute(update(StaffSession).where(*others, StaffSession.ended_at.is_(None)).values(ended_at=db_now()))


def hash_of(token: str) -> str:
    """Return the hash under which a token is stored."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()
