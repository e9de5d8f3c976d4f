"""Members of staff: their accounts."""

from __future__ import annotations

import re

import structlog
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from orderapp.config import current_settings
from orderapp.domain.typed_text import trimmed
from orderapp.errors import InvalidRequest, NotFound, WrongState
from orderapp.models import ApiToken, Role, Staff, db_now
from orderapp.services.access import passwords, sessions
from orderapp.services.access.refused_acts import refusals_recorded
from orderapp.services.db import audit
from orderapp.services.db.audit import COMMAND_LINE, Act, Actor
from orderapp.services.db.transactions import reading, writing

log = structlog.get_logger()

# Only an invitation is mailed to it, and checks it better; otherwise it is the name of an account.
EMAIL = re.compile(r"[!-?A-~]{1,64}@[!-?A-~]{1,189}")


def create_staff(email: str, role: Role, password: str, actor: Actor = COMMAND_LINE) -> None:
    """Create an account.

    Transaction: one, committed here, with its audit row.

    Raises:
        InvalidRequest: the address or password isn't acceptable, or the address is taken; nothing was recorded.
    """
    name = trimmed(email).casefold()
    errors: dict[str, list[str]] = {}
    if not EMAIL.fullmatch(name):
        errors["email"] = ["This is no e-mail address."]
    if problem := passwords.problem_of(password, name, current_settings().public_url):
        errors["password"] = [problem]
    if errors:
        raise InvalidRequest(errors)
    password_hash = passwords.hash_password(password)
    try:
        with writing() as session:
            account = Staff(email=name, role=role.value, password_hash=password_hash, created_at=db_now())
            session.add(account)
            session.flush()
            act = Act("staff.create", f"staff {account.id}", details={"email": name, "role": role.value})
            audit.write(session, actor, act)
    except IntegrityError as error:
        raise InvalidRequest({"email": ["There is an account with this address already."]}) from error


def disable_staff(staff_id: int, actor: Actor, reason: str) -> None:
    """Disable an account; its sessions end immediately.

    Transaction: one, committed here, with its audit row.

    Raises:
        InvalidRequest: the reason isn't acceptable.
        NotFound: there is no such account.
        WrongState: the account is already disabled, the actor's own, or the last admin's; nothing was changed.
    """
    why = audit.clean_reason(reason)
    with refusals_recorded(actor, Act("staff.disable", f"staff {staff_id}", why)), writing() as session:
        if staff_id == actor.staff_id:
            raise WrongState("Nobody disables their own account. Nothing was changed; ask another admin.")
        _refuse_the_last_admin(session, staff_id)
        account = _lock(session, staff_id)
        moved = session.connection().execute(
            update(Staff)
            .where(Staff.id == staff_id, Staff.disabled_at.is_(None))
            .values(disabled_at=db_now(), invitation_hash=None)
        )
        if not moved.rowcount:
            raise WrongState(f"{account.email} is disabled already. Nothing was changed.")
        sessions.end_all(session, staff_id)
        audit.write(session, actor, Act("staff.disable", f"staff {staff_id}", why, details={"email": account.email}))
    log.info("staff.disabled", staff=staff_id, by=actor.staff_id)


def sign_out_everywhere(staff_id: int, actor: Actor, reason: str) -> None:
    """End all logins of an account, which stays as it is.

    Transaction: one, committed here, with its audit row.

    Raises:
        InvalidRequest: the reason isn't acceptable.
        NotFound: there is no such account.
    """
    why = audit.clean_reason(reason)
    with refusals_recorded(actor, Act("staff.sessions", f"staff {staff_id}", why)), writing() as session:
        account = _lock(session, staff_id)
        sessions.end_all(session, staff_id)
        audit.write(session, actor, Act("staff.sessions", f"staff {staff_id}", why, details={"email": account.email}))
    log.info("staff.signed_out", staff=staff_id, by=actor.staff_id)


def enable_staff(staff_id: int, actor: Actor, reason: str) -> None:
    """Enable a disabled account, with the role and the password it had.

    Transaction: one, committed here, with its audit row.

    Raises:
        InvalidRequest: the reason isn't acceptable.
        NotFound: there is no such account.
        WrongState: it isn't disabled; nothing was changed.
    """
    why = audit.clean_reason(reason)
    with refusals_recorded(actor, Act("staff.enable", f"staff {staff_id}", why)), writing() as session:
        account = _lock(session, staff_id)
        if account.disabled_at is None:
            raise WrongState(f"{account.email} isn't disabled. Nothing was changed.")
        session.execute(update(Staff).where(Staff.id == staff_id).values(disabled_at=None))
        details = {"email": account.email, "role": account.role}
        audit.write(session, actor, Act("staff.enable", f"staff {staff_id}", why, details=details))
    log.info("staff.enabled", staff=staff_id, by=actor.staff_id)


def set_password(staff_id: int, password: str, actor: Actor, reason: str) -> None:
    """Change an account's password; its sessions end immediately.

    Transaction: one, committed here, with its audit row.

    Raises:
        InvalidRequest: the reason or the password isn't acceptable.
        NotFound: there is no such account.
    """
    why = audit.clean_reason(reason)
    with reading() as session:
        email = session.scalar(select(Staff.email).where(Staff.id == staff_id))
    if email is None:
        raise NotFound(f"There is no member of staff {staff_id}.")
    if problem := passwords.problem_of(password, email, current_settings().public_url):
        raise InvalidRequest({"password": [problem]})
    # Hash before the transaction, because hashing is slow.
    password_hash = passwords.hash_password(password)
    with writing() as session:
        _lock(session, staff_id)
        changed = {"password_hash": password_hash, "invitation_hash": None}
        session.execute(update(Staff).where(Staff.id == staff_id).values(changed))
        sessions.end_all(session, staff_id)
        audit.write(session, actor, Act("staff.password", f"staff {staff_id}", why, details={"email": email}))
    log.info("staff.password_changed", staff=staff_id, by=actor.staff_id)


def find_staff(email: str) -> int:
    """Return the id of the account with an address, in any capitalisation. Raises NotFound."""
    account = account_of(email)
    if account is None:
        raise NotFound("There is no member of staff with this address.")
    return account.id


def account_of(email: str) -> Staff | None:
    """Return the account with an address, in any capitalisation; None if there is none. Transaction: reads only."""
    name = trimmed(email).casefold()
    if not EMAIL.fullmatch(name):
        return None
    with reading() as session:
        return session.scalar(select(Staff).where(Staff.email == name))


def set_role(staff_id: int, role: Role, actor: Actor, reason: str) -> None:
    """Change an account's role; the new role counts from the next request on.

    Transaction: one, committed here, with its audit row.

    Raises:
        InvalidRequest: the reason isn't acceptable.
        NotFound: there is no such account.
        WrongState: the account is the actor's own, disabled, or the last admin's; nothing was changed.
    """
    why = audit.clean_reason(reason)
    with refusals_recorded(actor, Act("staff.role", f"staff {staff_id}", why)), writing() as session:
        if staff_id == actor.staff_id:
            raise WrongState("Nobody changes their own role. Nothing was changed; ask another admin.")
        if role is not Role.ADMIN:
            _refuse_the_last_admin(session, staff_id)
        account = _lock(session, staff_id)
        if account.disabled_at is not None:
            raise WrongState(f"{account.email} is disabled. Nothing was changed; enable the account first.")
        session.execute(update(Staff).where(Staff.id == staff_id).values(role=role.value))
        details = {"email": account.email, "before": account.role, "after": role.value}
        audit.write(session, actor, Act("staff.role", f"staff {staff_id}", why, details=details))
    log.info("staff.role_changed", staff=staff_id, by=actor.staff_id, role=role.value)


def revoke_token(token_id: int, actor: Actor, reason: str) -> None:
    """Revoke an API client's token; the client's next request is refused.

    Transaction: one, committed here, with its audit row.

    Raises:
        InvalidRequest: the reason isn't acceptable.
        NotFound: there is no such token.
        WrongState: the token is already revoked; nothing was changed.
    """
    why = audit.clean_reason(reason)
    with refusals_recorded(actor, Act("token.revoke", f"API token {token_id}", why)), writing() as session:
        name = session.scalar(select(ApiToken.name).where(ApiToken.id == token_id))
        if name is None:
            raise NotFound(f"There is no API token {token_id}.")
        moved = session.connection().execute(
            update(ApiToken).where(ApiToken.id == token_id, ApiToken.revoked_at.is_(None)).values(revoked_at=db_now())
        )
        if not moved.rowcount:
            raise WrongState(f"The token of {name} is revoked already. Nothing was changed.")
        audit.write(session, actor, Act("token.revoke", f"API token {token_id}", why, details={"client": name}))
    log.info("token.revoked", token=token_id, by=actor.staff_id)


def _lock(session: Session, staff_id: int) -> Staff:
    account = session.scalar(select(Staff).where(Staff.id == staff_id).with_for_update())
    if account is None:
        raise NotFound(f"There is no member of staff {staff_id}.")
    return account


def _refuse_the_last_admin(session: Session, staff_id: int) -> None:
    # Locked, so that if two admins disable each other at the same time, the second one sees what the first one did.
    admins = session.scalars(
        select(Staff.id)
        .where(Staff.role == Role.ADMIN.value, Staff.disabled_at.is_(None))
        .order_by(Staff.id)
        .with_for_update()
    ).all()
    if list(admins) == [staff_id]:
        raise WrongState("This is the only admin left. Nothing was changed; make another admin first.")
