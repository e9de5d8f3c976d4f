"""What staff and the rest of the product do at the same moment, on PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask

from orderapp import create_app
from orderapp.domain.states import TaskKind, TaskState
from orderapp.errors import WrongState
from orderapp.extensions import db
from orderapp.models import Base, Order, Role, Task
from orderapp.services.access.accounts import create_staff, disable_staff
from orderapp.services.backoffice import task_actions
from orderapp.services.db.audit import COMMAND_LINE, Actor
from orderapp.services.orders.cancel import cancel_order
from tests.admin.conftest import PASSWORD, variables
from tests.servers.postgres import PostgresServer

ROUNDS = 15  # each meets at a slightly different moment


@pytest.fixture
def app(tmp_path: Path, postgres_server: PostgresServer) -> Iterator[Flask]:
    app = create_app(variables(tmp_path, DATABASE_URL=postgres_server.create_database()))
    with app.app_context():
        Base.metadata.create_all(db.engine)
        yield app
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def together(app: Flask) -> Callable[..., list[object]]:
    """Runs functions at the same moment; returns what each returned or raised."""

    def run(*functions: Callable[[], object]) -> list[object]:
        results: list[object] = [None] * len(functions)
        start = threading.Barrier(len(functions))

        def one(index: int) -> None:
            with app.app_context():
                start.wait()
                try:
                    results[index] = functions[index]()
                except WrongState as error:
                    results[index] = error

        threads = [threading.Thread(target=one, args=(index,)) for index in range(len(functions))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return results

    return run


@pytest.mark.parametrize("state", [TaskState.FAILED, TaskState.CANCELLED])
def test_a_task_requeued_while_its_order_is_cancelled_never_runs_afterwards(rows, settings, together, state):
    for _ in range(ROUNDS):
        task_id = rows.task(state)
        order_id = rows.read(Task, task_id).order_id
        together(
            lambda order_id=order_id: cancel_order(order_id, settings),
            lambda task_id=task_id: task_actions.requeue([task_id], COMMAND_LINE, "at this moment", settings),
        )
        assert rows.read(Order, order_id).state == "compensating"
        assert rows.read(Task, task_id).state == "cancelled"


def test_two_who_requeue_the_same_selection_dont_wait_for_each_other_for_ever(rows, settings, together):
    ids = [rows.task(kind=kind) for kind in (TaskKind.SETTLE, TaskKind.NOTIFY, TaskKind.COMPENSATE)]
    both = together(
        lambda: task_actions.requeue(ids, COMMAND_LINE, "one", settings),
        lambda: task_actions.requeue(reversed(ids), COMMAND_LINE, "other", settings),
    )
    for selection in both:
        assert all(item.done or "at this very moment" in item.text for item in selection.items)
    assert {rows.read(Task, task_id).state for task_id in ids} == {"waiting"}


def test_of_two_admins_who_disable_each_other_one_is_left(app, rows, together):
    for name in ("one", "two"):
        create_staff(f"{name}@example.com", Role.ADMIN, PASSWORD)
    results = together(
        lambda: disable_staff(1, Actor(2, "two@example.com"), "first"),
        lambda: disable_staff(2, Actor(1, "one@example.com"), "no, first"),
    )
    assert sum(isinstance(result, WrongState) for result in results) == 1
    assert sorted(bool(entry.refused) for entry in rows.audit("staff.disable")) == [False, True]
