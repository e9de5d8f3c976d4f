"""Finds orders by whatever staff have at hand: a number or its beginning, a customer, a code, a key, a task."""

from __future__ import annotations

import re
import uuid

from sqlalchemy import ColumnElement, String, and_, false, func, literal, or_, select, union_all
from sqlalchemy.orm import Session

from orderapp.domain.keys import read_order_number
from orderapp.models import Order, Task
from orderapp.models.orders import SEARCH_INDEX, open_text, searched_text
from orderapp.services.db.picked_rows import among

# Without the index of parts, only so many of the newest orders are looked through: some hundred milliseconds.
NEWEST_SEARCHED = 20_000
LEAST_CHARACTERS = 3  # the index knows parts of three characters; shorter ones are in every other order
MOST_WORDS = 6
MAX_CHARACTERS = 254  # as long as an e-mail address; nothing longer is in an order
MAX_TASK_DIGITS = 18  # every number of this length fits into an id's column
_NUMBER = re.compile(r"[0-9A-Za-z]{5}[ -]?[0-9A-Za-z]{5}")
_PHONE = re.compile(r"\+?[0-9 ()/.\-]{5,}")
_TASK = re.compile(rf"(?:task\s*)?#?\s*([0-9]{{1,{MAX_TASK_DIGITS}}})", re.IGNORECASE)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


def named_order(session: Session, text: str) -> str | None:
    """Return the number of the order that a text names by its number or by an effect's key, or None.

    A name of ten letters may look like a number, so only a number that is there counts.

    Transaction: reads only, within the caller's.
    """
    first = text.partition(":")[0]
    if not _NUMBER.fullmatch(first):
        return None
    return session.scalar(select(Order.number).where(Order.number == read_order_number(first)))


def task_number(text: str) -> int | None:
    """Return the number of the task that a text like `task 12` or `12` may name, or None."""
    found = _TASK.fullmatch(text)
    return int(found[1]) if found else None


def is_too_short(text: str) -> bool:
    """Return whether a text is too short to look for it as a part; it may still be the number of a task."""
    return max(map(len, _parts(text)), default=0) < LEAST_CHARACTERS


def has_index(session: Session) -> bool:
    """Return whether parts are looked up in an index, and so in all orders. Transaction: within the caller's."""
    if session.get_bind().dialect.name != "postgresql":
        return False
    return session.execute(select(func.to_regclass(SEARCH_INDEX))).scalar_one() is not None


def find_one(session: Session, text: str) -> str | int | None:
    """Return the number of the only order that a text names, or the id of the task, or None.

    Transaction: reads only, within the caller's.
    """
    if number := named_order(session, text):
        return number
    task_id = task_number(text)
    return session.scalar(select(Task.id).where(Task.id == task_id)) if task_id is not None else None


def matches(session: Session, text: str, *, parts: bool) -> ColumnElement[bool]:
    """Return the condition for the orders that a text means. Transaction: reads only, within the caller's.

    Without the index, parts are looked for in the newest NEWEST_SEARCHED orders.

    Args:
        text: What staff typed in.
        parts: Whether to look for parts too. Who sees customers' data masked could spell it out with them, so without:
            a number, a key, a task, or a whole e-mail address.
    """
    if len(text) > MAX_CHARACTERS:
        return false()
    if number := named_order(session, text):
        return Order.number == number
    found: list[ColumnElement[bool]] = []
    if order_id := _order_of_task(session, task_number(text)):
        found.append(Order.id == order_id)
    indexed = has_index(session)
    if not (indexed and parts) and _EMAIL.fullmatch(text):
        return _has_address(text)
    if _EMAIL.fullmatch(text):
        found.append(func.lower(Order.corrected_email) == func.lower(text))
    if parts and not is_too_short(text):
        found.append(_contains(text, indexed))
    return or_(*found) if found else false()


def _has_address(email: str) -> ColumnElement[bool]:
    """Return the condition that an order was placed with an e-mail address, or has it as its corrected one."""
    columns = (Order.customer_email, Order.corrected_email)
    # Each by its own index: for both at once, PostgreSQL would rather look through all orders, the newest first.
    found = [select(Order.id).where(func.lower(column) == func.lower(email)) for column in columns]
    return among(Order.id, select(union_all(*found).subquery().c.id))


def _contains(text: str, indexed: bool) -> ColumnElement[bool]:
    """Return the condition that an order has all parts of a text, or has it as a code.

    A code of an input counts only as a whole: somebody who may search, but not see it, could spell it out by its parts.
    """
    condition = or_(and_(*(_has(part) for part in _parts(text))), _has_code(text.lower()))
    if indexed:
        return condition
    newest = select(Order.id).order_by(Order.created_at.desc(), Order.id.desc()).limit(NEWEST_SEARCHED)
    return condition & Order.id.in_(newest.subquery().select())


def _has(part: str) -> ColumnElement[bool]:
    # The index has both together; the second condition is asked only of what the first one finds.
    in_open = and_(searched_text().like(_pattern(part), escape="/"), open_text().like(_pattern(part), escape="/"))
    return or_(in_open, _has_code(part))


def _has_code(code: str) -> ColumnElement[bool]:
    """Return the condition that one of an order's inputs is a code, in small letters; no code has quotes."""
    return searched_text().like(_pattern(f':"{code}"'), escape="/") if '"' not in code else false()


def _pattern(part: str) -> ColumnElement[str]:
    """Return the pattern of texts with a part, as a literal: the plan then knows whether few or many have it."""
    escaped = "".join(f"/{one}" if one in "/%_" else one for one in part)
    return literal(f"%{escaped}%", String, literal_execute=True)


def _parts(text: str) -> list[str]:
    """Return what has to occur: the digits of a phone number without what differs between its forms, or each word."""
    if _PHONE.fullmatch(text):
        digits = "".join(one for one in text if one.isdecimal()).lstrip("0")
        return [digits]
    return sorted(text.lower().split()[:MOST_WORDS], key=len, reverse=True)


def _order_of_task(session: Session, task_id: int | None) -> uuid.UUID | None:
    return session.scalar(select(Task.order_id).where(Task.id == task_id)) if task_id is not None else None
