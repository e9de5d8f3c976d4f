"""The second factor of staff: set up by its owner, demanded of roles and reset by admins."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass

import structlog
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from orderapp.config import current_settings
from orderapp.errors import InvalidRequest, NotFound, WrongState
from orderapp.models import FactorDemand, RecoveryCode, Role, Staff, db_now
from orderapp.services.access import code_tries, one_time_codes, sessions
from orderapp.services.access.refused_acts import refusals_recorded
from orderapp.services.access.sessions import Member
from orderapp.services.db import audit
from orderapp.services.db.audit import Act, Actor
from orderapp.services.db.transactions import reading, writing

log = structlog.get_logger()

RECOVERY_CODES = 10  # as many as others give: enough for years, few enough to write down
WRONG_CODE = "This code is wrong or was used already. Wait for the next one, and look at your device's clock."
NO_FACTOR = "There is no second factor. Nothing was changed; set it up first."


@dataclass(frozen=True, slots=True)
class Factor:
    """How it stands with a member's second factor."""

    since: dt.datetime | None  # None: there is none
    codes_left: int  # recovery codes not used yet
    demanded: bool  # whether it is demanded of the member's role


@dataclass(frozen=True, slots=True)
class Offer:
    """A new secret, as text and as the address that a device takes it over by."""

    secret: str
    address: str


def factor_of(member: Member) -> Factor:
    """Return how it stands with a member's second factor. Transaction: reads only."""
    left = select(func.count()).where(RecoveryCode.staff_id == member.id, RecoveryCode.used_at.is_(None))
    with reading() as session:
        since = session.scalar(select(Staff.totp_since).where(Staff.id == member.id))
        demanded = session.get(FactorDemand, member.role.value) is not None
        return Factor(since, session.execute(left).scalar_one(), demanded)


def new_offer(member: Member) -> Offer:
    """Make a secret, which counts from its first code on. Transaction: one, committed here.

    Raises:
        WrongState: there is a second factor already; nothing was changed.
    """
    secret = one_time_codes.new_secret()
    without = (Staff.id == member.id, Staff.totp_since.is_(None))
    act = Act("staff.factor_begin", f"staff {member.id}", details={"email": member.email})
    with refusals_recorded(member.actor, act), writing() as session:
        if not session.connection().execute(update(Staff).where(*without).values(totp_secret=secret)).rowcount:
            raise WrongState("You have a second factor already. Nothing was changed.")
        audit.write(session, member.actor, act)
    return _offer(member, secret)


def offer_of(member: Member) -> Offer:
    """Return the secret that waits for its first code. Transaction: reads only. Raises WrongState if there is none."""
    with reading() as session:
        waiting = select(Staff.totp_secret).where(Staff.id == member.id, Staff.totp_since.is_(None))
        secret = session.scalar(waiting)
    if secret is None:
        raise WrongState("No second factor waits for its code. Nothing was changed; begin again.")
    return _offer(member, secret)


def confirm(member: Member, typed: str, token: str) -> tuple[str, ...]:
    """Let a secret count once a code shows that the device has it; all logins but the present one end.

    Transaction: the count of the try; then one, committed here: the factor, its recovery codes, the audit row.

    Returns:
        The recovery codes. They can't be shown again.

    Raises:
        InvalidRequest: the code is wrong; nothing was changed.
        TooManyAttempts: too many codes were tried; this one wasn't checked.
        WrongState: no secret waits for its code.
    """
    act = Act("staff.factor_set", f"staff {member.id}", details={"email": member.email})
    code_tries.count_try(member.id)
    with refusals_recorded(member.actor, act), writing() as session:
        account = _locked(session, member.id)
        if account.totp_secret is None or account.totp_since is not None:
            raise WrongState("No second factor waits for its code. Nothing was changed; begin again.")
        step = one_time_codes.step_of(account.totp_secret, typed, _now(session))
        if step is None:
            raise InvalidRequest({"code": [WRONG_CODE]})
        values = {"totp_since": db_now(), "totp_last_step": step}
        session.execute(update(Staff).where(Staff.id == member.id).values(values))
        codes = _new_codes(session, member.id)
        sessions.end_all(session, member.id, but=token)
        audit.write(session, member.actor, act)
    code_tries.forgive(member.id)
    log.info("staff.factor_confirmed", staff=member.id)
    return codes


def renew_codes(member: Member) -> tuple[str, ...]:
    """Replace a member's recovery codes; return the new ones, which can't be shown again.

    Transaction: one, committed here, with its audit row. Raises WrongState: there is no second factor.
    """
    act = Act("staff.factor_codes", f"staff {member.id}", details={"email": member.email})
    with refusals_recorded(member.actor, act), writing() as session:
        if _locked(session, member.id).totp_since is None:
            raise WrongState(NO_FACTOR)
        codes = _new_codes(session, member.id)
        audit.write(session, member.actor, act)
    return codes


def turn_off(member: Member) -> None:
    """Take a member's own second factor away. Transaction: one, committed here, with its audit row.

    Raises:
        WrongState: there is none, or it is demanded of their role; nothing was changed.
    """
    act = Act("staff.factor_off", f"staff {member.id}", details={"email": member.email})
    with refusals_recorded(member.actor, act), writing() as session:
        if _locked(session, member.id).totp_since is None:
            raise WrongState(NO_FACTOR)
        if session.get(FactorDemand, member.role.value) is not None:
            raise WrongState("A second factor is demanded of your role. Nothing was changed.")
        _take_away(session, member.id)
        audit.write(session, member.actor, act)
    log.info("staff.factor_off", staff=member.id)


def reset(staff_id: int, actor: Actor, reason: str) -> None:
    """Take away the second factor of somebody who has lost it, and end their logins: they set up a new one.

    Transaction: one, committed here, with its audit row.

    Raises:
        InvalidRequest: the reason isn't acceptable.
        NotFound: there is no such account.
        WrongState: it has no second factor, or is the actor's own; nothing was changed.
    """
    why = audit.clean_reason(reason)
    with refusals_recorded(actor, Act("staff.factor_reset", f"staff {staff_id}", why)), writing() as session:
        account = _locked(session, staff_id)
        if staff_id == actor.staff_id:
            raise WrongState("Your own second factor is on your own page. Nothing was changed.")
        if account.totp_since is None:
            raise WrongState(f"{account.email} has no second factor. Nothing was changed.")
        _take_away(session, staff_id)
        sessions.end_all(session, staff_id)
        audit.write(
            session, actor, Act("staff.factor_reset", f"staff {staff_id}", why, details={"email": account.email})
        )
    log.info("staff.factor_reset", staff=staff_id, by=actor.staff_id)


def demanded_of(session: Session) -> frozenset[Role]:
    """Return the roles that a second factor is demanded of. Transaction: within the caller's."""
    return frozenset(Role(role) for role in session.scalars(select(FactorDemand.role)))


def demand(roles: Collection[Role], actor: Actor, reason: str) -> None:
    """Demand a second factor of these roles and no others; it counts from the next request of their members on.

    Transaction: one, committed here, with its audit row. Raises InvalidRequest: the reason isn't acceptable.
    """
    why = audit.clean_reason(reason)
    with writing() as session:
        before = demanded_of(session)
        session.execute(delete(FactorDemand).where(FactorDemand.role.not_in([role.value for role in roles])))
        if added := [{"role": role.value, "demanded_at": db_now()} for role in Role if role in {*roles} - before]:
            session.execute(insert(FactorDemand).values(added))
        details = {"before": _names(before), "after": _names(roles)}
        audit.write(session, actor, Act("staff.factor_demand", "roles", why, details=details))
    log.info("staff.factor_demanded", roles=_names(roles), by=actor.staff_id)


def use_device_code(session: Session, staff_id: int, typed: str) -> bool:
    """Return whether a code of the member's device is right, and use it up. Transaction: within the caller's."""
    account = _locked(session, staff_id)
    if account.totp_secret is None or account.totp_since is None:
        return False
    step = one_time_codes.step_of(account.totp_secret, typed, _now(session))
    if step is None or step <= (account.totp_last_step or 0):
        return False
    session.execute(update(Staff).where(Staff.id == staff_id).values(totp_last_step=step))
    return True


def use_recovery_code(session: Session, staff_id: int, typed: str) -> bool:
    """Return whether a recovery code is right, and use it up. Transaction: within the caller's."""
    code_hash = one_time_codes.hash_of_recovery_code(typed)
    own = (RecoveryCode.staff_id == staff_id, RecoveryCode.code_hash == code_hash, RecoveryCode.used_at.is_(None))
    using = update(RecoveryCode).where(*own).values(used_at=db_now())
    return bool(session.connection().execute(using).rowcount)


def _offer(member: Member, secret: str) -> Offer:
    return Offer(secret, one_time_codes.address_of(secret, member.email, current_settings().seller.name))


def _new_codes(session: Session, staff_id: int) -> tuple[str, ...]:
    codes = tuple(one_time_codes.new_recovery_code() for _ in range(RECOVERY_CODES))
    session.execute(delete(RecoveryCode).where(RecoveryCode.staff_id == staff_id))
    rows = [{"staff_id": staff_id, "code_hash": one_time_codes.hash_of_recovery_code(code)} for code in codes]
    session.execute(insert(RecoveryCode).values(rows))
    return codes


def _take_away(session: Session, staff_id: int) -> None:
    nothing = {"totp_secret": None, "totp_since": None, "totp_last_step": None}
    session.execute(update(Staff).where(Staff.id == staff_id).values(nothing))
    session.execute(delete(RecoveryCode).where(RecoveryCode.staff_id == staff_id))


def _locked(session: Session, staff_id: int) -> Staff:
    account = session.scalar(select(Staff).where(Staff.id == staff_id).with_for_update())
    if account is None:
        raise NotFound(f"There is no member of staff {staff_id}.")
    return account


def _now(session: Session) -> dt.datetime:
    now: dt.datetime = session.execute(select(db_now())).scalar_one()
    return now


def _names(roles: Collection[Role]) -> str:
    return ", ".join(role.value for role in Role if role in roles) or "none"
