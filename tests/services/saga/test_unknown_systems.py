"""Rows of a system that this process doesn't know: nothing fails for it, nothing is lost, and somebody is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from orderapp.domain.states import OrderState, TaskState
from orderapp.errors import InProgress, SystemUnknown
from orderapp.models import Task
from orderapp.services.backoffice import task_actions
from orderapp.services.backoffice.case_files import find_order_file, find_task_file
from orderapp.services.backoffice.overview import look
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.services.db.transactions import reading, writing
from orderapp.services.engine.run_task import run_task
from orderapp.services.operations.doctor import State, examine
from orderapp.services.saga.unknown_systems import unknown_systems
from orderapp.systems.base import Part
from tests.services.archives import archived, let_days_pass
from tests.services.listening import reconciled
from tests.services.scripted import Killed, Scripted, does_it_and_dies, does_it_then
from tests.services.shop import Shop


class Two:
    """A shop with a system more than the other one, on the same database."""

    def __init__(self, shop: Shop) -> None:
        self.stock, self.loyalty = Scripted("stock", position=1), Scripted("loyalty", position=2)
        self.bank, self.fax = Scripted("bank", Part.SETTLE), Scripted("fax", Part.NOTIFY)
        self.knowing = shop.with_systems(self.stock, self.loyalty, self.bank, self.fax)
        self.unknowing = shop.with_systems(self.stock, self.bank)

    def told(self) -> dict[str, tuple[dict[str, int], int]]:
        """Return what the overview says: by name, open tasks by state, and placements left."""
        return {
            one.name: (
                {state.value: count.number for state, count in one.tasks.items() if count},
                one.placements.number,
            )
            for one in look(self.unknowing.settings.systems).unknown_systems
        }

    def examined(self) -> dict[str, tuple[State, str]]:
        return {one.name: (one.state, one.detail) for one in examine(self.unknowing.settings)}


@pytest.fixture
def two(empty_shop: Shop) -> Two:
    return Two(empty_shop)


def test_cancelling_says_that_it_cannot_and_changes_nothing(two: Two) -> None:
    order = two.knowing.submit().order
    two.knowing.work_until_quiet()
    before = two.knowing.tasks()
    for cancel in (
        lambda: two.unknowing.cancel(order.id),
        lambda: task_actions.cancel_order(order.id, COMMAND_LINE, "they called", two.unknowing.settings),
    ):
        with pytest.raises(SystemUnknown, match=r"^This can't be done .* loyalty, .* Nothing was changed\. Do it"):
            cancel()
    assert two.unknowing.view(order.id).state is OrderState.CONFIRMED
    assert [(task.id, task.state, task.fencing) for task in two.knowing.tasks()] == [
        (task.id, task.state, task.fencing) for task in before
    ]
    two.knowing.cancel(order.id)
    two.knowing.work_until_quiet()
    assert two.knowing.view(order.id).state is OrderState.CANCELLED


def test_what_waits_for_it_is_counted_and_goes_on_once_it_is_known(two: Two) -> None:
    two.loyalty.acts.append(does_it_then(two.loyalty))
    order = two.knowing.submit().order
    for _ in range(3):
        two.unknowing.work()
    assert two.unknowing.view(order.id).state is OrderState.COMPENSATING
    assert two.told() == {"loyalty": ({"waiting": 1}, 0)}
    assert two.examined()["loyalty"] == (
        State.WRONG,
        "unknown to this version: 1 waiting tasks wait for a version that knows it; orders with it can't be cancelled",
    )
    [task] = two.knowing.tasks(system="loyalty")
    assert run_task(task.id, two.unknowing.settings) is None
    two.knowing.work_until_quiet()
    assert two.knowing.view(order.id).state is OrderState.FAILED
    assert two.told() == {"loyalty": ({}, 0)}


def test_a_placement_that_died_half_way_is_left_alone_and_counted(two: Two) -> None:
    two.loyalty.acts.append(does_it_and_dies(two.loyalty))
    content = two.knowing.content()
    with pytest.raises(Killed):
        two.knowing.submit("key", content)
    two.knowing.let_submission_leases_lapse()
    two.unknowing.work()
    with pytest.raises(InProgress):
        two.unknowing.submit("key", content)
    assert two.told() == {"loyalty": ({}, 1)}
    assert two.examined()["loyalty"][0] is State.WRONG
    assert "1 placements that died half way" in two.examined()["loyalty"][1]
    two.knowing.work_until_quiet()
    assert two.told() == {"loyalty": ({}, 0)}
    assert two.knowing.the_order().state is OrderState.FAILED


def test_where_nothing_waits_it_is_only_mentioned(two: Two) -> None:
    two.knowing.submit()
    assert two.told() == {"fax": ({"waiting": 1}, 0), "loyalty": ({}, 0)}
    two.knowing.work_until_quiet()
    assert two.told() == {"fax": ({}, 0), "loyalty": ({}, 0)}
    assert two.examined()["loyalty"] == (
        State.OFF,
        "unknown to this version: nothing waits for it; orders with it can't be cancelled",
    )
    with reading() as session:
        assert unknown_systems(session, two.knowing.settings.systems) == ()


def test_staff_see_it_and_may_give_it_up(two: Two) -> None:
    two.loyalty.acts.append(does_it_then(two.loyalty))
    order = two.knowing.submit().order
    [task] = two.knowing.tasks(system="loyalty")
    settings = two.unknowing.settings
    assert find_order_file(order.number)
    assert find_task_file(task.id).task.system == "loyalty"
    [refused] = task_actions.requeue([task.id], COMMAND_LINE, "now", settings).items
    assert (refused.done, "no system loyalty any more" in refused.text) == (False, True)
    [given_up] = task_actions.cancel([task.id], COMMAND_LINE, "it is gone").items
    assert given_up.done
    assert two.knowing.tasks(system="loyalty")[0].state == TaskState.CANCELLED.value


def test_reconciling_and_archiving_go_on(two: Two, tmp_path: Path) -> None:
    two.knowing.submit()
    two.knowing.work_until_quiet()
    assert {(one.system, one.kind.value) for one in reconciled(two.unknowing).told} <= {
        ("loyalty", "could not be checked")
    }
    let_days_pass()
    file = tmp_path / "orders.jsonl"
    assert archived(two.unknowing, file).orders == 1
    assert {step["system"] for step in json.loads(file.read_text())["steps"]} == {"stock", "loyalty"}


def test_many_names_are_found_however_many_rows_each_has(two: Two) -> None:
    order = two.knowing.submit().order
    with reading() as session:
        row = dict(session.execute(select(Task.__table__).limit(1)).mappings().one())
    row.pop("id")
    names = [f"old{letter}" for letter in "abcdefgh"]
    with writing() as session:
        for name in names:
            session.execute(insert(Task).values({**row, "system": name, "key": f"{order.number}:{name}"}))
    assert two.told().keys() == {*names, "fax", "loyalty"}
