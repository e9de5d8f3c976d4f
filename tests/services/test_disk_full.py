"""A SQLite file that can't grow any more. The same on PostgreSQL, with a disk that is full: tests/flow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event, text

from orderapp.domain.states import OrderState
from orderapp.errors import DatabaseUnavailable
from orderapp.extensions import db
from orderapp.services.db.transactions import reading
from tests.services.shop import Shop


@contextmanager
def full_disk() -> Iterator[None]:
    """Let no connection add a page to the file."""
    with reading() as session:
        pages = session.execute(text("PRAGMA page_count")).scalar_one()

    def bound(connection: Any, _record: Any) -> None:
        connection.execute(f"PRAGMA max_page_count={pages}")

    event.listen(db.engine, "connect", bound)
    db.engine.dispose()
    try:
        yield
    finally:
        event.remove(db.engine, "connect", bound)
        db.engine.dispose()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_full_disk_is_told_and_leaves_nothing_half_written(shop: Shop) -> None:
    contents = {f"key-{number}": shop.content() for number in range(200)}
    refused = ""
    with full_disk():
        for key, content in contents.items():
            try:
                shop.submit(key, content)
            except DatabaseUnavailable:
                refused = key
                break
    assert refused, "two hundred orders fitted into a full disk"
    # Where the last write that fitted was the order itself, it is taken up again once nobody holds it.
    shop.let_submission_leases_lapse(seconds_ago=61)
    assert shop.submit(refused, contents[refused]).order.state is OrderState.CONFIRMED
    shop.work_until_quiet()
    assert all(task.state == "done" for task in shop.tasks(kind="settle"))
