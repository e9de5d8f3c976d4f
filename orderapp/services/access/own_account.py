"""What members of staff see and change of their own account: the password, and where they are logged in."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import structlog
from sqlalchemy import select, update

from orderapp.config import current_settings
from orderapp.domain.networks import household_of
from orderapp.errors import InvalidRequest, NotFound
from orderapp.models import Staff, StaffSession, db_now
from orderapp.services.access import login_guesses, passwords, sessions
from orderapp.services.access.sessions import ALIVE, Member
from orderapp.services.db import audit
from orderapp.services.db.audit import Act
from orderapp.services.db.transactions import reading, writing

log = structlog.get_logger()

MOST_SESSIONS = 50  # nobody works in so many browsers; more are counted out by signing out everywhere


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A login that is still open."""

    id: int
    created_at: dt.datetime
    last_seen_at: dt.datetime
    is_present: bool  # whether it is the one that asks


def sessions_of(member: Member, token: str) -> tuple[OpenSession, ...]:
    """Return a member's open logins, newest first, at most MOST_SESSIONS. Transaction: reads only.

    Args:
        member: Whose.
        token: The token of the present one.
    """
    columns = (StaffSession.id, StaffSession.created_at, StaffSession.last_seen_at)
    present = StaffSession.token_hash == sessions.hash_of(token)
    found = select(*columns, present).where(StaffSession.staff_id == member.id, *ALIVE)
    with reading() as session:
        rows = session.execute(found.order_by(StaffSession.id.desc()).limit(MOST_SESSIONS)).all()
    return tuple(OpenSession(row[0], row[1], row[2], bool(row[3])) for row in rows)


def end_session(member: Member, session_id: int) -> None:
    """End one of a member's logins. Transaction: one, committed here, with its audit row.

    Raises:
        NotFound: it isn't theirs, or is over.
    """
    own = (StaffSession.id == session_id, StaffSession.staff_id == member.id, StaffSession.ended_at.is_(None))
    with writing() as session:
        if not session.connection().execute(update(StaffSession).where(*own).values(ended_at=db_now())).rowcount:
            raise NotFound("There is no such login any more.")
        audit.write(session, member.actor, Act("staff.sessions", f"staff {member.id}", details={"ended": 1}))


def end_others(member: Member, token: str) -> int:
    """End all of a member's logins but the present one; return how many. Transaction: as for `end_session`."""
    others = (
        StaffSession.staff_id == member.id,
        StaffSession.token_hash != sessions.hash_of(token),
        StaffSession.ended_at.is_(None),
    )
    with writing() as session:
        ended = session.connection().execute(update(StaffSession).where(*others).values(ended_at=db_now())).rowcount
        audit.write(session, member.actor, Act("staff.sessions", f"staff {member.id}", details={"ended": ended}))
    return ended


def change_password(member: Member, present: str, wanted: str, address: str | None) -> str:
    """Change a member's own password; all logins end but a new one.

    Transaction: those of the counted try; then one, committed here: the password, the logins, the audit row.

    Args:
        member: Whose.
        present: The present password, as it was typed.
        wanted: The new one.
        address: The network address of the request.

    Returns:
        The token of the new login.

    Raises:
        InvalidRequest: the present password is wrong, or the new one isn't acceptable; nothing was changed.
        TooManyAttempts: too many wrong passwords came from there; this one wasn't checked.
    """
    place = household_of(address)
    # An open screen must not be a place to guess its owner's password.
    login_guesses.count_try(place, member.email)
    with reading() as session:
        known = session.scalar(select(Staff.password_hash).where(Staff.id == member.id))
    if not passwords.is_right(present, known):
        raise InvalidRequest({"present": ["The present password is wrong."]})
    login_guesses.forgive(place, member.email)
    if problem := passwords.problem_of(wanted, member.email, current_settings().public_url):
        raise InvalidRequest({"wanted": [problem]})
    password_hash = passwords.hash_password(wanted)
    with writing() as session:
        # Only where it is still the one that was checked: an admin may have replaced it meanwhile.
        same = (Staff.id == member.id, Staff.password_hash == known, Staff.disabled_at.is_(None))
        changing = update(Staff).where(*same).values(password_hash=password_hash)
        if not session.connection().execute(changing).rowcount:
            raise InvalidRequest({"present": ["The password was changed at this very moment."]})
        sessions.end_all(session, member.id)
        token = sessions.start(session, member.id)
        about = {"email": member.email}
        audit.write(session, member.actor, Act("staff.password", f"staff {member.id}", "their own", details=about))
    log.info("staff.password_changed", staff=member.id, by=member.id)
    return token
