"""The idempotency keys of archived orders, kept for ever as hashes: a key never leads to a second order."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence

from sqlalchemy import bindparam, insert, select
from sqlalchemy.orm import Session

from orderapp.errors import KeyReused, OrderArchived
from orderapp.models import ArchivedKey, ArchivedOrder, Submission, table_of
from orderapp.services.db.transactions import reading
from orderapp.services.saga.content_hashes import ContentHash

_KEYS, _ORDERS, _SUBMISSIONS = table_of(ArchivedKey).c, table_of(ArchivedOrder).c, table_of(Submission).c
# Parameters: `scope`, and `key_hash` as `hash_key` makes it.
OF_AN_ARCHIVED_ORDER = select(_KEYS.order_id).where(
    _KEYS.scope == bindparam("scope"), _KEYS.key_hash == bindparam("key_hash")
)


def hash_key(key: str) -> str:
    """Return what is kept of a key; always of one length, and nobody can read a client's own names in it."""
    return hashlib.sha256(key.encode()).hexdigest()


def keep_keys(session: Session, order_ids: Sequence[uuid.UUID]) -> None:
    """Keep the keys of orders that leave: of each placement one. Transaction: within the caller's, the archive's."""
    columns = (_SUBMISSIONS.scope, _SUBMISSIONS.key, _SUBMISSIONS.content_hash, _SUBMISSIONS.order_id)
    used = session.execute(select(*columns).where(_SUBMISSIONS.order_id.in_(order_ids))).all()
    rows = [
        {"scope": row.scope, "key_hash": hash_key(row.key), "content_hash": row.content_hash, "order_id": row.order_id}
        for row in used
    ]
    if rows:
        session.execute(insert(table_of(ArchivedKey)), rows)


def refuse_archived(scope: str, key: str, content_hash: ContentHash) -> None:
    """Raise what a key leads to whose order was archived; return where it is of none.

    To be asked after the submissions: an order leaves them and comes here in one transaction.

    Raises:
        OrderArchived: the content is that order's.
        KeyReused: it is another.

    """
    found = select(_ORDERS.number, _ORDERS.order_id, _KEYS.content_hash).join(
        table_of(ArchivedKey), _KEYS.order_id == _ORDERS.order_id
    )
    of_key = found.where(_KEYS.scope == scope, _KEYS.key_hash == hash_key(key))
    with reading() as session:
        row = session.execute(of_key).one_or_none()
    if row is None:
        return
    if not content_hash.is_that_of(row.content_hash):
        raise KeyReused(row.order_id)
    raise OrderArchived(row.number)
