"""Which API clients there are; of their tokens there is nothing to show."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import select

from orderapp.models import ApiToken
from orderapp.services.db.transactions import reading


@dataclass(frozen=True, slots=True)
class ClientRow:
    """An API client: when its token was made, and when it was revoked, if it was."""

    name: str
    created_at: dt.datetime
    revoked_at: dt.datetime | None


def list_clients() -> list[ClientRow]:
    """Return all API clients, by name."""
    with reading() as session:
        rows = session.execute(select(ApiToken.name, ApiToken.created_at, ApiToken.revoked_at).order_by(ApiToken.name))
        return [ClientRow(name, created_at, revoked_at) for name, created_at, revoked_at in rows]
