"""History can't be rewritten, not even by who has the application's own access to the database."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import delete, func, select, text, update
from sqlalchemy.exc import DBAPIError

from orderapp.config import current_settings
from orderapp.domain.orders import Customer, LineRequest, OrderRequest
from orderapp.models import Attempt, AuditEntry, Product, Role, Task, db_now
from orderapp.services.access.accounts import create_staff
from orderapp.services.db.transactions import reading, writing
from orderapp.services.engine.enqueue import enqueue_alone
from orderapp.services.engine.job_retention import forget_old_runs
from orderapp.services.engine.run_job import run_job
from orderapp.services.placing.place import Placing


@pytest.fixture(autouse=True)
def history(app: Flask) -> None:
    """One act of staff, and attempts of an order."""
    with app.app_context():
        create_staff("ada@example.com", Role.ADMIN, "correct horse battery")
        with writing() as session:
            session.add(Product(sku="TEA", name="Tea", price_minor=790, currency="EUR", updated_at=db_now()))
        request = OrderRequest(Customer("Ada", "ada@example.com"), (LineRequest("TEA", 1),))
        Placing(current_settings()).submit(request, "k" * 24)


@pytest.mark.parametrize("statement", ["UPDATE {} SET order_id = order_id", "DELETE FROM {}"])
@pytest.mark.parametrize("table", [Attempt, AuditEntry], ids=lambda table: table.__tablename__)
def test_what_was_written_can_be_neither_changed_nor_deleted(
    app: Flask, statement: str, table: type[Attempt | AuditEntry]
) -> None:
    name = table.__tablename__
    with app.app_context():
        with reading() as session:
            before = session.scalar(select(func.count()).select_from(table))
        with pytest.raises(DBAPIError, match=f"{name} is append-only: permission denied for"), writing() as session:
            session.execute(text(statement.format(name)))
        with reading() as session:
            assert session.scalar(select(func.count()).select_from(table)) == before
            assert before


def test_the_attempts_of_a_job_can_be_deleted_once_it_has_ended(app: Flask) -> None:
    with app.app_context():
        task_id = enqueue_alone(forget_old_runs, {})
        run_job(task_id, current_settings())
        of_it = delete(Attempt).where(Attempt.task_id == task_id)
        with writing() as session:
            session.execute(update(Task).where(Task.id == task_id).values(finished_at=None))
        with pytest.raises(DBAPIError, match="attempts is append-only"), writing() as session:
            session.execute(of_it)
        with writing() as session:
            session.execute(update(Task).where(Task.id == task_id).values(finished_at=db_now()))
            assert session.execute(of_it).rowcount == 1
