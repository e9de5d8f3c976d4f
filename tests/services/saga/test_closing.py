"""An order that holds nothing any more is closed, however it came to be left open."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from orderapp.domain.states import OrderState, PlacementState, StepState, TaskState
from orderapp.models import Order, Placement, Step, Task
from orderapp.services.db.transactions import writing
from orderapp.services.saga.closing import close_left_open
from tests.services.scripted import OneOfEach, Scripted, does_it_then
from tests.services.shop import Shop


@pytest.fixture
def left_open(empty_shop: Shop) -> Shop:
    """A shop with one order that is turned round, its one compensation not done yet."""
    stock, points = Scripted("stock", position=1), Scripted("points", position=2)
    points.acts.append(does_it_then(points))
    shop = empty_shop.with_systems(stock, points)
    shop.submit()
    return shop


def change_by_hand(*statements: object) -> None:
    with writing() as session:
        for statement in statements:
            session.execute(statement.execution_options(synchronize_session=False))  # type: ignore[attr-defined]


UNDONE = (
    update(Task).values(state=TaskState.DONE.value, lease_until=None, due_at=None, publish_at=None),
    update(Step).values(state=StepState.COMPENSATED.value),
)


@pytest.mark.parametrize("placement", [PlacementState.COMPENSATING, PlacementState.COMPENSATED])
def test_it_is_closed(left_open: Shop, placement: PlacementState) -> None:
    order = left_open.the_order()
    change_by_hand(*UNDONE, update(Placement).values(state=placement.value))
    assert left_open.view(order.id).state is OrderState.COMPENSATING
    assert close_left_open(left_open.settings.systems) == 1
    assert left_open.view(order.id).state is OrderState.FAILED
    assert [one.state for one in left_open.placements(order.id)] == ["compensated"]
    assert close_left_open(left_open.settings.systems) == 0


@pytest.mark.parametrize(
    "held",
    [
        [],
        [update(Step).values(state=StepState.COMPENSATED.value)],
        [UNDONE[0]],
        [UNDONE[1], update(Task).values(state="cancelled", lease_until=None, due_at=None, publish_at=None)],
    ],
)
def test_what_still_holds_something_stays_open(left_open: Shop, held: list[object]) -> None:
    change_by_hand(*held)
    assert close_left_open(left_open.settings.systems) == 0
    assert left_open.the_order().state is OrderState.COMPENSATING


def test_a_cancelled_one_ends_as_cancelled(busy_shop: Shop, systems: OneOfEach) -> None:
    order = busy_shop.submit().order
    busy_shop.work_until_quiet()
    busy_shop.cancel(order.id)
    change_by_hand(*UNDONE)
    assert close_left_open(busy_shop.settings.systems) == 1
    assert busy_shop.view(order.id).state is OrderState.CANCELLED


def test_one_that_ended_in_the_usual_way_is_left_alone(left_open: Shop) -> None:
    left_open.work_until_quiet()
    change_by_hand(update(Order).values(updated_at=Order.created_at))
    assert close_left_open(left_open.settings.systems) == 0
