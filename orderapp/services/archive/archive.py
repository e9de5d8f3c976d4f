"""Moves orders that ended long ago into a file, so that the tables in use stay small.

eligibility   which orders may be archived
rows          reads all rows of an order as one line, and deletes them
file          writes the lines and makes them durable
archive       goes batch by batch; each batch is in the file before its transaction deletes it
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import insert, select, tuple_
from sqlalchemy.orm import Session

from orderapp.config import Settings
from orderapp.errors import Archived, ArchiveUnusable, InvalidRequest
from orderapp.models import Archive, ArchivedOrder, Order, db_now
from orderapp.services.archive.eligibility import archivable, least_age
from orderapp.services.archive.file import ArchiveFile, opened
from orderapp.services.archive.rows import delete_all, lines_of
from orderapp.services.db import audit
from orderapp.services.db.audit import Act, Actor
from orderapp.services.db.transactions import writing

log = structlog.get_logger()

# Orders per transaction: half a second on a slow disk. Meanwhile their pages can be read, but a retry or cancellation
# of one of them waits.
BATCH = 200
MAX_FILE_CHARACTERS = 500  # as long as its column
DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Moved:
    """What a run moved; not `finished` if it was stopped before the end."""

    orders: int
    finished: bool


def archive(
    age_seconds: float,
    path: Path,
    actor: Actor,
    settings: Settings,
    progress: Callable[[int], None],
    stop: threading.Event,
) -> Moved:
    """Append every order that has nothing open and didn't change for this long to a file, oldest first.

    Transaction: one per batch, committed here: it locks the orders and checks that nothing about them is open, then
        their lines reach the disk, then it deletes them.
    Idempotent because: moved orders are deleted; a second run continues with the rest. Several runs may work at the
        same time, each into its own file: each skips the orders that another one has locked.
    If we die here: an order may be in the file and still in the database, and is in the file twice after the next run;
        no order is lost.

    Args:
        age_seconds: At least `least_age`.
        path: The file; it is created if it doesn't exist.
        actor: Who orders it; recorded in the audit.
        settings: The systems.
        progress: Called after each batch with the number of orders moved so far.
        stop: Ends the run after the current batch.

    Raises:
        InvalidRequest: the age is too short; nothing was done.
        ArchiveUnusable: the file can't be used or is full; it holds what was moved before.
        DatabaseUnavailable: the file holds what was moved before.
    """
    least_days = -(-least_age(settings.systems).total_seconds() // DAY_SECONDS)
    if age_seconds < least_days * DAY_SECONDS:
        raise InvalidRequest(
            {
                "older-than": [
                    f"at least {least_days:.0f} days: until then repeated requests and reconciliation need them"
                ]
            }
        )
    path = path.absolute()
    if len(str(path)) > MAX_FILE_CHARACTERS or not str(path).isprintable():
        raise ArchiveUnusable(f"its name has more than {MAX_FILE_CHARACTERS} characters, or some that can't be printed")
    with opened(path) as file:
        run = _Run(age_seconds, file, actor)
        more = True
        while more and not stop.is_set():
            more = run.batch()
            progress(run.moved)
    log.info("orders.archived", orders=run.moved, file=str(path), finished=not more)
    return Moved(run.moved, finished=not more)


def refuse_archived_number(session: Session, number: str) -> None:
    """Raise Archived if an order with this number was archived. Transaction: within the caller's."""
    found = session.execute(
        select(Archive.started_at, Archive.file)
        .join(ArchivedOrder, ArchivedOrder.archive_id == Archive.id)
        .where(ArchivedOrder.number == number)
    ).one_or_none()
    if found is not None:
        raise Archived(f"Order {number} was archived on {found.started_at:%Y-%m-%d}, into {found.file}.")


class _Run:
    """Goes through the orders, oldest first."""

    def __init__(self, age_seconds: float, file: ArchiveFile, actor: Actor) -> None:
        self._age_seconds = age_seconds
        self._archivable = archivable(age_seconds)
        self._file = file
        self._actor = actor
        self._archive_id: int | None = None
        # The last order that was checked, as (created_at, id), so that each order is checked once.
        self._reached: tuple[Any, uuid.UUID] | None = None
        self.moved = 0

    def batch(self) -> bool:
        """Move the next orders; return whether there may be more."""
        with writing() as session:
            found = self._lock_next(session)
            # Check again under the locks: the statement that took them saw an older state of the other tables.
            still = select(Order.id).where(Order.id.in_([order_id for _, order_id in found]), self._archivable)
            order_ids = session.scalars(still).all() if found else ()
            if order_ids:
                archive_id = self._archive_id or self._begin(session)
                self._file.add(b"".join(lines_of(session, order_ids).values()))
                delete_all(session, order_ids, archive_id)
        if order_ids:
            self._archive_id = archive_id
            self.moved += len(order_ids)
        if found:
            self._reached = found[-1]
        return len(found) == BATCH

    def _lock_next(self, session: Session) -> list[tuple[Any, uuid.UUID]]:
        beyond = (tuple_(Order.created_at, Order.id) > self._reached,) if self._reached else ()
        statement = (
            select(Order.created_at, Order.id)
            .where(self._archivable, *beyond)
            .order_by(Order.created_at, Order.id)
            .limit(BATCH)
            .with_for_update(of=Order, skip_locked=True)
        )
        return [(created_at, order_id) for created_at, order_id in session.execute(statement)]

    def _begin(self, session: Session) -> int:
        """Record the run and its actor, with the first orders that it moves."""
        values = {"started_at": db_now(), "file": str(self._file.path)}
        archive_id: int = session.execute(insert(Archive).values(**values).returning(Archive.id)).scalar_one()
        details = {"file": str(self._file.path), "older_than_days": self._age_seconds / DAY_SECONDS}
        audit.write(session, self._actor, Act("orders.archive", f"archive {archive_id}", details=details))
        return archive_id
