"""Telling the broker never stands in anybody's way, and nobody stands in its."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from orderapp.extensions import db
from orderapp.models import Task
from orderapp.services.engine.outbox import mark_published
from tests.services.shop import Shop


@pytest.mark.parametrize("database_url", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)
def test_a_task_that_somebody_else_is_changing_is_passed_over(busy_shop: Shop) -> None:
    busy_shop.submit()
    hints = busy_shop.due()
    with db.engine.connect() as somebody:
        somebody.execute(select(Task.id).where(Task.id == hints[0].task_id).with_for_update())
        mark_published(hints)
        assert busy_shop.due() == hints[:1]
    mark_published(hints)
    assert busy_shop.due() == []
