"""Lists the API clients, without their tokens, which aren't stored."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import select

from orderapp.models import ApiToken
from orderapp.services.db.transactions import reading


@dataclass(frozen=True, slots=True)
class ClientRow:
    """An API client: when its token was created and, if it was, revoked."""

    name: str
    created_at: dt.datetime
    revoked_at: dt.datetime | None


def list_clients() -> list[ClientRow]:
    """Return all API clients, by name."""
    with reading() as session:
        rows = session.execute(select(ApiToken.name, ApiToken.created_at, ApiToken.revoked_at).order_by(ApiToken.name))
        return [ClientRow(name, created_at, revoked_at) for name, created_at, revoked_at in rows]
