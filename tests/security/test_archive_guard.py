"""What guards history lets go only what is archived; and the number of an archived order is never given again."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from orderapp.config import current_settings
from orderapp.domain.orders import Customer, LineRequest, OrderRequest
from orderapp.models import Attempt, AuditEntry, Order, Product, Submission, Task, db_now
from orderapp.services.archive import archive
from orderapp.services.db import audit
from orderapp.services.db.audit import COMMAND_LINE, Act
from orderapp.services.db.transactions import reading, writing
from orderapp.services.engine.recovery import recover
from orderapp.services.orders.views import OrderView
from orderapp.services.placing.place import Placing

DAY = 86_400


@pytest.fixture
def orders(app: Flask) -> list[OrderView]:
    """Two orders with history of both sorts, one of them long ago; no system answered, so both have failed."""
    with app.app_context():
        with writing() as session:
            session.add(Product(sku="TEA", name="Tea", price_minor=790, currency="EUR", updated_at=db_now()))
        request = OrderRequest(Customer("Ada", "ada@example.com"), (LineRequest("TEA", 1),), allow_duplicate=True)
        placed = [Placing(current_settings()).submit(request, key).order for key in ("old", "new")]
        recover(current_settings())
        with writing() as session:
            for order in placed:
                audit.write(session, COMMAND_LINE, Act("task.requeue", "task 1", "why", order.id))
            long_ago = db_now(-100 * DAY)
            mine = {"order_id": placed[0].id}
            session.execute(update(Order).filter_by(id=placed[0].id).values(created_at=long_ago, updated_at=long_ago))
            session.execute(update(Submission).filter_by(**mine).values(created_at=long_ago))
            session.execute(update(Task).filter_by(**mine).values(finished_at=long_ago))
        assert {order.state.value for order in placed} == {"failed"}
    return placed


def _archive(tmp_path: Path) -> int:
    file = tmp_path / "orders.jsonl"
    settings = current_settings()
    return archive.archive(90 * DAY, file, COMMAND_LINE, settings, lambda _: None, threading.Event()).orders


def test_history_leaves_with_its_order_and_no_other(app: Flask, orders: list[OrderView], tmp_path: Path) -> None:
    with app.app_context():
        assert _archive(tmp_path) == 1
        for table in (Attempt, AuditEntry):
            with reading() as session:
                left = set(session.scalars(select(table.order_id))) - {None}
            assert left == {orders[1].id}
            with pytest.raises(DBAPIError, match="is append-only: permission denied for"), writing() as session:
                session.execute(delete(table))


def test_the_number_of_an_archived_order_is_never_given_again(
    app: Flask, orders: list[OrderView], tmp_path: Path
) -> None:
    with app.app_context():
        with reading() as session:
            row = dict(session.execute(select(Order.__table__).where(Order.id == orders[0].id)).mappings().one())
        assert _archive(tmp_path) == 1
        with pytest.raises(IntegrityError, match="used before, by an archived order"), writing() as session:
            session.execute(insert(Order).values(row))
        with writing() as session:
            session.execute(insert(Order).values({**row, "number": "ANOTHER"}))
