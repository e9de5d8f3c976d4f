"""Erases a customer on request: names, addresses and codes of their orders; what the law wants kept stays.

Attempts and the audit need no erasing, because they are masked when they are written. Archive files aren't changed.
"""

from __future__ import annotations

from dataclasses import dataclass

import orjson
import structlog
from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.orm import Session

from orderapp.domain.inputs import Inputs
from orderapp.errors import InvalidRequest
from orderapp.models import Order, OrderDiscount
from orderapp.services.access import customer_sessions
from orderapp.services.archive.eligibility import archivable
from orderapp.services.db import audit
from orderapp.services.db.audit import Act, Actor
from orderapp.services.db.transactions import reading, writing
from orderapp.services.saga.order_documents import inputs_text
from orderapp.systems.registry import Systems

log = structlog.get_logger()

BATCH = 200  # orders per transaction, which holds their locks: a fraction of a second
ERASED = "erased"  # the customer's name afterwards, on receipts and in the back office


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased, or would be."""

    orders: int  # how many have ended, and have nothing open
    under_way: tuple[str, ...]  # the numbers of the others, which keep everything


def count(email: str) -> Erased:
    """Return what `erase` would do; change nothing. Raises InvalidRequest for a text that is no address."""
    _refuse_no_address(email)
    with reading() as session:
        ended = session.scalar(select(func.count()).select_from(Order).where(_has(email), archivable(0))) or 0
        return Erased(ended, _under_way(session, email))


def erase(email: str, actor: Actor, reason: str, systems: Systems) -> Erased:
    """Erase whose address this is from all their ended orders, and end their sessions.

    An order that was corrected away from the address is somebody else's: only the address is taken out of it.

    Numbers, lines, amounts, times, keys and hashes stay: they are what accounts are kept by, and what repeated
    requests and systems are answered by.

    Transaction: one per batch, committed here, with its row in the audit, which has the orders and not the address.
    Idempotent because: erased orders don't have the address any more.
    If we die here: a second run erases the rest.

    Args:
        email: The address, in any capitals.
        actor: Who does it.
        reason: Why; it must not contain the address, because it is kept.
        systems: They say which inputs aren't private.

    Raises:
        InvalidRequest: the address or the reason is missing or can't be used; nothing was changed.
    """
    why = audit.clean_reason(reason)
    _refuse_no_address(email)
    if email.casefold() in why.casefold():
        raise InvalidRequest({"reason": ["Leave the address out: the reason is kept."]})
    orders = 0
    while batch := _erase_batch(email, Act("customer.erase", "customer", why), actor, systems):
        orders += batch
    with reading() as session:
        under_way = _under_way(session, email)
    log.info("customer.erased", orders=orders, under_way=len(under_way))
    return Erased(orders, under_way)


def _refuse_no_address(email: str) -> None:
    if "@" not in email:
        raise InvalidRequest({"address": ["This is no e-mail address."]})


def _erase_batch(email: str, act: Act, actor: Actor, systems: Systems) -> int:
    with writing() as session:
        customer_sessions.forget(session, email)
        ended = (_has(email), archivable(0))
        locked = select(Order.id).where(*ended).order_by(Order.id).limit(BATCH).with_for_update(of=Order)
        ids = session.scalars(locked).all()
        # Again under the locks: the statement that took them saw an older state of the other tables.
        orders = session.scalars(select(Order).where(Order.id.in_(ids), *ended)).all()
        for order in orders:
            if (order.corrected_email or email).lower() == email.lower():
                _erase_from(session, order, systems)
            else:  # it was mistyped: the order is somebody else's
                order.customer_email, order.corrected_email = str(order.corrected_email), None
        if orders:
            details = {"orders": [order.number for order in orders]}
            audit.write(session, actor, Act(act.name, act.subject, act.reason, details=details))
    return len(orders)


def _erase_from(session: Session, order: Order, systems: Systems) -> None:
    """Erase the customer of an order, its private inputs, and the codes of discounts that are among them."""
    public = {name for name, code in systems.inputs.items() if not code.private}
    inputs = Inputs(orjson.loads(order.inputs))
    gone = [value for name, value in inputs.items() if name not in public]
    discounts = update(OrderDiscount).where(OrderDiscount.order_id == order.id, OrderDiscount.code.in_(gone))
    session.execute(discounts.values(code=""))
    order.inputs = inputs_text(Inputs({name: value for name, value in inputs.items() if name in public}))
    order.customer_name, order.customer_email, order.customer_phone = ERASED, "", ""
    order.corrected_email = None


def _under_way(session: Session, email: str) -> tuple[str, ...]:
    open_ones = select(Order.number).where(_has(email), ~archivable(0)).order_by(Order.created_at)
    return tuple(session.scalars(open_ones))


def _has(email: str) -> ColumnElement[bool]:
    """Return the condition that an order was placed with an address, or is corrected to it."""
    return or_(*(func.lower(column) == func.lower(email) for column in (Order.customer_email, Order.corrected_email)))
