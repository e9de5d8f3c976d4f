"""Logging in: a password, and a code where the account has a second factor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from orderapp.domain.networks import household_of
from orderapp.domain.typed_text import trimmed
from orderapp.models import Staff, StaffSession, db_now
from orderapp.services.access import code_tries, login_guesses, one_time_codes, passwords, second_factors, sessions
from orderapp.services.access.accounts import account_of
from orderapp.services.access.sessions import WAITING_FOR_CODE, Member
from orderapp.services.db import audit
from orderapp.services.db.audit import UNKNOWN, Act, Actor
from orderapp.services.db.transactions import reading, writing

log = structlog.get_logger()

# Shorter would ask twice during one piece of work; longer would trust a screen that its owner has left.
PROOF_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Opened:
    """A right password, or a right code after it: the new session's token, and whether it waits for a code."""

    token: str
    waits_for_code: bool = False


def log_in(email: str, password: str, address: str | None) -> Opened | None:
    """Open a session if the password is right; return None otherwise, whether or not the account exists.

    Transaction: those of the counted try; one, committed here: the session and its audit row, or the audit row of the
    refusal.

    Args:
        email: The account, in any capitalisation.
        password: As it was typed.
        address: The network address of the request.

    Raises:
        TooManyAttempts: too many wrong passwords came from there; this one wasn't checked.
    """
    place, name = household_of(address), trimmed(email).casefold()
    login_guesses.count_try(place, name)
    account = account_of(email)
    usable = account is not None and account.disabled_at is None
    right = passwords.is_right(password, account.password_hash if account and usable else None)
    with writing() as session:
        if account is None or not right:
            # Don't store an unknown name: people sometimes type their password into the wrong field.
            actor = Actor(account.id, account.email) if account else UNKNOWN
            audit.write(session, actor, Act("staff.refuse", "login"))
            log.warning("staff.login_refused", staff=account.id if account else None)
            return None
        waits = account.totp_since is not None
        token = sessions.start(session, account.id, proved=not waits)
        if not waits:
            _record_login(session, account)
    login_guesses.forgive(place, name)
    return Opened(token, waits)


def waits_for_code(token: str) -> bool:
    """Return whether a token's login waits for its code. Transaction: reads only."""
    with reading() as session:
        return _waiting(session, token) is not None


def log_in_with_code(token: str, typed: str) -> Opened | None:
    """Open a session in place of one that waits for a code, if the code is right; return None otherwise.

    Transaction: the count of the try; then one, committed here: the code is used up, the sessions, the audit row.

    Args:
        token: The waiting login's.
        typed: The code of the device, or a recovery code.

    Raises:
        TooManyAttempts: too many codes were tried; this one wasn't checked.
    """
    with reading() as session:
        waiting = _waiting(session, token)
    if waiting is None:
        return None
    code_tries.count_try(waiting.id)
    with writing() as session:
        account = _waiting(session, token)
        if account is None:
            return None
        by_device = one_time_codes.is_code(typed)
        use = second_factors.use_device_code if by_device else second_factors.use_recovery_code
        if not use(session, account.id, typed):
            audit.write(session, Actor(account.id, account.email), Act("staff.refuse", "login code"))
            log.warning("staff.code_refused", staff=account.id)
            return None
        session.execute(update(StaffSession).where(_of(token)).values(ended_at=db_now()))
        opened = Opened(sessions.start(session, account.id))
        _record_login(session, account, {} if by_device else {"with": "recovery code"})
    code_tries.forgive(account.id)
    return opened


def has_fresh_proof(token: str) -> bool:
    """Return whether a session's owner proved who they are within PROOF_SECONDS. Transaction: reads only."""
    fresh = select(StaffSession.id).where(_of(token), StaffSession.proved_at > db_now(-PROOF_SECONDS))
    with reading() as session:
        return session.scalar(fresh) is not None


def prove(member: Member, token: str, typed: str, address: str | None) -> bool:
    """Note that a session's owner has proved again who they are; return whether the password or code is right.

    Transaction: those of the counted try; then one, committed here: the code is used up, the session is proved.

    Args:
        member: Whose session it is.
        token: Its token.
        typed: The password, or a code of the device where the member has one.
        address: The network address of the request.

    Raises:
        TooManyAttempts: too many were tried; this one wasn't checked.
    """
    if one_time_codes.is_code(typed):
        return _prove_by_code(member, token, typed)
    return _prove_by_password(member, token, typed, household_of(address))


def _prove_by_code(member: Member, token: str, typed: str) -> bool:
    code_tries.count_try(member.id)
    with writing() as session:
        if not second_factors.use_device_code(session, member.id, typed):
            return False
        _note_proof(session, token)
    code_tries.forgive(member.id)
    return True


def _prove_by_password(member: Member, token: str, typed: str, place: str) -> bool:
    login_guesses.count_try(place, member.email)
    with reading() as session:
        known = session.scalar(select(Staff.password_hash).where(Staff.id == member.id))
    if not passwords.is_right(typed, known):
        return False
    with writing() as session:
        _note_proof(session, token)
    login_guesses.forgive(place, member.email)
    return True


def _note_proof(session: Session, token: str) -> None:
    session.execute(update(StaffSession).where(_of(token), *sessions.ALIVE).values(proved_at=db_now()))


def _waiting(session: Session, token: str) -> Staff | None:
    joined = select(Staff).join(StaffSession, StaffSession.staff_id == Staff.id)
    return session.scalar(joined.where(_of(token), *WAITING_FOR_CODE, Staff.disabled_at.is_(None)))


def _of(token: str) -> ColumnElement[bool]:
    return StaffSession.token_hash == sessions.hash_of(token)


def _record_login(session: Session, account: Staff, details: Mapping[str, str] | None = None) -> None:
    act = Act("staff.login", f"staff {account.id}", details=details or {})
    audit.write(session, Actor(account.id, account.email), act)
    log.info("staff.login", staff=account.id)
