"""API clients and their tokens. Only hashes are stored, so a copy of the database gives no access."""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from dataclasses import dataclass

import structlog
from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from orderapp.domain.typed_text import hidden_in, trimmed
from orderapp.errors import InvalidRequest, NotFound
from orderapp.models import ApiToken, db_now, table_of
from orderapp.services.db import audit
from orderapp.services.db.audit import COMMAND_LINE, Act
from orderapp.services.db.prepared_statements import PreparedStatement
from orderapp.services.db.transactions import reading, writing

log = structlog.get_logger()

TOKEN_BYTES = 32  # 256 random bits: nothing to guess, so an unsalted hash is enough
MAX_NAME_CHARACTERS = 100

# Built once, on the table, because every request needs it.
_TOKENS = table_of(ApiToken).c
_CLIENT_OF = PreparedStatement(
    select(_TOKENS.id).where(_TOKENS.token_hash == bindparam("hash"), _TOKENS.revoked_at.is_(None))
)


@dataclass(frozen=True, slots=True)
class ClientRow:
    """An API client: when its token was created and, if it was, revoked."""

    name: str
    created_at: dt.datetime
    revoked_at: dt.datetime | None


def create(name: str) -> str:
    """Create a client's token, and the client if it is new.

    A client whose token was revoked keeps its name, its keys and its orders under the new token.

    Transaction: one, committed here, with its audit row.

    Args:
        name: The client, 1 to 100 printable characters.

    Returns:
        The token. It can't be shown again.

    Raises:
        InvalidRequest: the name isn't acceptable, or the client already has a valid token.
    """
    name = trimmed(name)
    if not 1 <= len(name) <= MAX_NAME_CHARACTERS or hidden_in(name):
        raise InvalidRequest({"name": [f"A name has 1 to {MAX_NAME_CHARACTERS} characters, none of them invisible."]})
    token = secrets.token_urlsafe(TOKEN_BYTES)
    fresh = {"token_hash": _hash(token), "created_at": db_now()}
    try:
        with writing() as session:
            renewed = session.execute(
                update(ApiToken)
                .where(ApiToken.name == name, ApiToken.revoked_at.is_not(None))
                .values(revoked_at=None, **fresh)
                .returning(ApiToken.id)
            ).scalar_one_or_none()
            client_id = (
                renewed
                or session.execute(insert(ApiToken).values(name=name, **fresh).returning(ApiToken.id)).scalar_one()
            )
            audit.write(session, COMMAND_LINE, Act("token.create", f"API token {client_id}", details={"client": name}))
    except IntegrityError as error:
        raise InvalidRequest(
            {"name": [f"{name!r} has a token already; revoke it first, or choose another."]}
        ) from error
    log.info("api_token.created", client=client_id, renewed=renewed is not None)
    return token


def authenticate(token: str) -> int | None:
    """Return the client whose token this is, or None for an unknown or revoked one."""
    clients = _CLIENT_OF.ask({"hash": _hash(token)})
    return clients[0].id if clients else None


def revoke(name: str) -> None:
    """Revoke a client's token; it gives no access after the commit.

    Transaction: one, committed here, with its audit row.
    Idempotent because: for a token that is already revoked nothing is changed or recorded.

    Raises:
        NotFound: there is no such client.
    """
    with writing() as session:
        client_id = session.scalar(select(ApiToken.id).where(ApiToken.name == trimmed(name)))
        if client_id is None:
            raise NotFound(f"There is no API client {name!r}.")
        revoked = session.execute(
            update(ApiToken)
            .where(ApiToken.id == client_id, ApiToken.revoked_at.is_(None))
            .values(revoked_at=db_now())
            .returning(ApiToken.id)
        ).scalar_one_or_none()
        if revoked:
            audit.write(session, COMMAND_LINE, Act("token.revoke", f"API token {client_id}", details={"client": name}))
    log.info("api_token.revoked", client=client_id)


def list_clients() -> list[ClientRow]:
    """Return all API clients, by name."""
    with reading() as session:
        rows = session.execute(select(ApiToken.name, ApiToken.created_at, ApiToken.revoked_at).order_by(ApiToken.name))
        return [ClientRow(name, created_at, revoked_at) for name, created_at, revoked_at in rows]


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()
