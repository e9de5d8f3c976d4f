"""The idempotency keys of archived orders, kept forever as hashes, so that no key leads to a second order."""

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
# Parameters: `scope`, and `key_hash` from `hash_key`.
OF_AN_ARCHIVED_ORDER = select(_KEYS.order_id).where(
    _KEYS.scope == bindparam("scope"), _KEYS.key_hash == bindparam("key_hash")
)


def hash_key(key: str) -> str:
    """Return the hash that is kept of a key: of fixed length, and it doesn't show names that a client put in a key."""
    return hashlib.sha256(key.encode()).hexdigest()


def keep_keys(session: Session, order_ids: Sequence[uuid.UUID]) -> None:
    """Keep the keys of orders that are archived, one per placement. Transaction: within the caller's, the archive's."""
    columns = (_SUBMISSIONS.scope, _SUBMISSIONS.key, _SUBMISSIONS.content_hash, _SUBMISSIONS.order_id)
    used = session.execute(select(*columns).where(_SUBMISSIONS.order_id.in_(order_ids))).all()
    rows = [
        {"scope": row.scope, "key_hash": hash_key(row.key), "content_hash": row.content_hash, "order_id": row.order_id}
        for row in used
    ]
    if rows:
        session.execute(insert(table_of(ArchivedKey)), rows)


def refuse_archived_key(scope: str, key: str, content_hash: ContentHash) -> None:
    """Raise if a key belongs to an archived order; return if it doesn't.

    Call this after looking in the submissions: archiving moves a key from there to here in one transaction.

    Raises:
        OrderArchived: the content is the same as that order's.
        KeyReused: the content is different.
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
