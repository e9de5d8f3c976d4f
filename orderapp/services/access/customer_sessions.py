"""Links by which customers sign in, and their sessions: who opens a link reads the mail of its address."""

from __future__ import annotations

import secrets

from sqlalchemy import ColumnElement, delete, func, insert, select
from sqlalchemy.orm import Session

from orderapp.models import CustomerSession, SignInLink, db_now
from orderapp.services.access.sessions import TOKEN_BYTES, hash_of
from orderapp.services.db.transactions import reading, writing

LINK_SECONDS = 1200  # a mail is there within minutes
# Signing in again costs one mail; a session that was forgotten on somebody else's computer has ended the next day.
SESSION_SECONDS = 86_400


def new_link(email: str) -> tuple[int, str]:
    """Make a link for an address, in small letters; return its id and its token, which we don't store.

    Transaction: one, committed here.
    """
    token = secrets.token_urlsafe(TOKEN_BYTES)
    with writing() as session:
        values = {"token_hash": hash_of(token), "email": email, "ends_at": db_now(LINK_SECONDS)}
        link_id: int = session.execute(insert(SignInLink).values(values).returning(SignInLink.id)).scalar_one()
    return link_id, token


def address_of(link: str) -> str | None:
    """Return the address that a link was sent to; None if it is unknown, used or too old. It stays unused."""
    with reading() as session:
        return session.scalar(select(SignInLink.email).where(*_usable(link)))


def sign_in(link: str, before: str) -> str | None:
    """Use a link up, and open a session; return its token, None if the link is unknown, used or too old.

    Transaction: one, committed here: of two uses at the same time, one finds the link.

    Args:
        link: The link's token.
        before: The token of the browser's present session, which ends; empty for none.
    """
    token = secrets.token_urlsafe(TOKEN_BYTES)
    with writing() as session:
        used = delete(SignInLink).where(*_usable(link)).returning(SignInLink.email)
        email = session.execute(used).scalar_one_or_none()
        if email is None:
            return None
        session.execute(delete(CustomerSession).where(CustomerSession.token_hash == hash_of(before)))
        values = {"token_hash": hash_of(token), "email": email, "ends_at": db_now(SESSION_SECONDS)}
        session.execute(insert(CustomerSession).values(values))
    return token


def find(token: str) -> str | None:
    """Return the address, in small letters, of whoever's session a token opens; None if it is unknown or has ended."""
    opened = (CustomerSession.token_hash == hash_of(token), CustomerSession.ends_at > db_now())
    with reading() as session:
        return session.scalar(select(CustomerSession.email).where(*opened))


def sign_out(token: str) -> None:
    """End a session. Transaction: one, committed here."""
    with writing() as session:
        session.execute(delete(CustomerSession).where(CustomerSession.token_hash == hash_of(token)))


def forget(session: Session, email: str) -> None:
    """Delete all links and sessions of an address, in any capitals. Transaction: within the caller's."""
    for table in (SignInLink, CustomerSession):
        session.execute(delete(table).where(table.email == func.lower(email)))


def delete_ended(session: Session) -> None:
    """Delete the links and sessions that have ended. Transaction: within the caller's."""
    for table in (SignInLink, CustomerSession):
        session.execute(delete(table).where(table.ends_at < db_now()))


def _usable(link: str) -> tuple[ColumnElement[bool], ...]:
    return SignInLink.token_hash == hash_of(link), SignInLink.ends_at > db_now()
