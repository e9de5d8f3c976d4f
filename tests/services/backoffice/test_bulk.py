"""What is told of each row of a selection: done, refused, or that nobody knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from orderapp.errors import DatabaseUnavailable
from orderapp.models import Task
from orderapp.services.backoffice.bulk import RowAct, each
from orderapp.services.db.audit import COMMAND_LINE
from tests.services.shop import Shop


def test_a_row_whose_transaction_was_lost_is_not_told_as_done_and_the_others_are(busy_shop: Shop) -> None:
    busy_shop.submit()
    lost, found = (task.id for task in busy_shop.tasks())

    def change(session: Session, row: Any, reason: str) -> Mapping[str, Any]:
        if row.id == lost:
            raise DatabaseUnavailable("lost on the way")
        row.last_message = reason
        return {}

    selection = each(RowAct(Task, "note", "Task {} is noted."), [lost, found], COMMAND_LINE, "why", change)
    assert [(item.done, item.text) for item in selection.items] == [
        (False, f"The database couldn't be used; look at task {lost} to see whether it was done."),
        (True, f"Task {found} is noted."),
    ]
    assert [task.last_message for task in busy_shop.tasks()] == [None, "why"]


def test_a_row_whose_act_raises_what_nobody_foresaw_is_left_as_it_was_and_the_others_are_done(busy_shop: Shop) -> None:
    busy_shop.submit()
    sick, well = (task.id for task in busy_shop.tasks())

    def change(session: Session, row: Any, reason: str) -> Mapping[str, Any]:
        row.last_message = reason
        return {"share": 1 // (row.id - sick)}

    selection = each(RowAct(Task, "note", "Task {} is noted."), [sick, well], COMMAND_LINE, "why", change)
    assert [item.done for item in selection.items] == [False, True]
    assert "because of an unexpected error (ZeroDivisionError)" in selection.items[0].text
    assert [task.last_message for task in busy_shop.tasks()] == [None, "why"]
