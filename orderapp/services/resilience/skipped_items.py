"""Skips an item that raises, so that the rest goes on: it is logged with its id, left out for a while and counted.

For loops over many independent items: the timer, a worker's batch, a reconciliation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import structlog
from sqlalchemy import ColumnElement, String, case, cast, delete, exists, func, literal, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from orderapp.errors import DatabaseUnavailable, LeaseLost
from orderapp.models import SkippedItem, db_now
from orderapp.services.db.transactions import writing
from orderapp.services.db.upserts import upsert

log = structlog.get_logger()

# An item that raises is tried again after ten seconds, then after four, nine, sixteen times as long, up to an hour: a
# passing error is soon over, and a bug needs a new release.
PAUSE_SECONDS = 10
LONGEST_PAUSE_SECONDS = 3600
# An item that was due for a retry this long ago and hasn't raised again has recovered.
STILL_SECONDS = 60.0
MAX_NAME = 80  # characters, as long as its column
MAX_CAUSE = 300  # characters, as long as its column
SHOWN = 5


class Kind(StrEnum):
    """What was skipped."""

    PLACEMENT = "placement"  # by the id of its submission
    TASK = "task"
    ORDER = "order"  # by reconciliation, by its number
    CLOSING = "closing"  # of an order that stayed open, by its id
    SYSTEM = "system"  # work for one system, by its name
    LOOP = "loop"  # a whole round of one of the timer's loops


@dataclass(frozen=True, slots=True)
class SkippedView:
    """An item that raises: its kind and name, how often it was tried, and its last error."""

    kind: str
    item: str
    times: int
    cause: str


class skipping:  # noqa: N801 - read as a word: `with skipping(Kind.TASK, 7):`
    """Record and suppress an error of this item; let a lost database or lease through, which isn't the item's fault.

    Transaction: one, committed here, after the item's own transaction was rolled back.
    If we die here: the item is tried again as before.

    Args:
        kind, item: The kind of the item, and its id or name.
        passing: Other errors that aren't the item's fault.
    """

    def __init__(self, kind: Kind, item: object, passing: tuple[type[Exception], ...] = ()) -> None:
        self._kind, self._item = kind, str(item)
        self._passing: tuple[type[Exception], ...] = (DatabaseUnavailable, LeaseLost, *passing)

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> bool:
        if not isinstance(error, Exception) or isinstance(error, self._passing):
            return False
        log.error("item.skipped", kind=self._kind.value, item=self._item, exc_info=error)
        _note(self._kind, self._item, error)
        return True


def _note(kind: Kind, item: str, error: Exception) -> None:
    pause = PAUSE_SECONDS * SkippedItem.times * SkippedItem.times
    longest = case((pause < LONGEST_PAUSE_SECONDS, pause), else_=LONGEST_PAUSE_SECONDS)
    # Only the type of a database error, because its text may contain the row.
    cause = type(error).__name__ if hasattr(error, "orig") else f"{type(error).__name__}: {error}"
    seen = {"last_at": db_now(), "cause": cause[:MAX_CAUSE]}
    name = f"{kind.value}:{item}"[:MAX_NAME]
    first = {"item": name, "kind": kind.value, "times": 1, "first_at": db_now(), "again_at": db_now(PAUSE_SECONDS)}
    again = {"times": SkippedItem.times + 1, "again_at": db_now(longest)}
    with writing() as session:
        session.execute(upsert(session, SkippedItem, first | seen, again | seen, unique="item"))


def left_out(kind: Kind, item: InstrumentedAttribute[int]) -> ColumnElement[bool]:
    """Return the condition that an item has raised and isn't tried again yet."""
    name = literal(f"{kind.value}:").concat(cast(item, String))
    return exists().where(SkippedItem.item == name, SkippedItem.again_at > db_now())


_STILL = SkippedItem.again_at > db_now(-STILL_SECONDS)


def skipped(session: Session) -> tuple[Sequence[SkippedView], int]:
    """Return the newest items that raise now, and how many there are. Transaction: within the caller's."""
    columns = (SkippedItem.kind, SkippedItem.item, SkippedItem.times, SkippedItem.cause)
    newest = select(*columns).where(_STILL).order_by(SkippedItem.last_at.desc()).limit(SHOWN)
    number = session.execute(select(func.count()).select_from(SkippedItem).where(_STILL)).scalar_one()
    rows = session.execute(newest)
    return [SkippedView(row.kind, row.item.partition(":")[2], row.times, row.cause) for row in rows], number


def skipped_by_kind(session: Session) -> dict[str, int]:
    """Count the items that raise now, by kind. Transaction: within the caller's."""
    rows = session.execute(select(SkippedItem.kind, func.count()).where(_STILL).group_by(SkippedItem.kind))
    found: dict[str, int] = {row[0]: row[1] for row in rows}
    return {kind.value: found.get(kind.value, 0) for kind in Kind}


def forget_old(session: Session) -> None:
    """Delete items that recovered a day ago. Transaction: within the caller's."""
    session.execute(delete(SkippedItem).where(SkippedItem.again_at < db_now(-86_400.0)))
