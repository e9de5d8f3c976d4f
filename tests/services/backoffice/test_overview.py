"""The figures of the back office's first page, against what is there."""

from __future__ import annotations

from sqlalchemy import update

from orderapp.domain.outcome import Outcome
from orderapp.domain.states import OrderState, TaskState
from orderapp.models import SwitchMode, Task, db_now
from orderapp.services.backoffice.overview import look
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.services.db.transactions import writing
from orderapp.services.operations.metrics import read_numbers
from orderapp.services.resilience.switches import switch_system
from orderapp.systems.base import Part
from tests.services.scripted import Killed, Scripted, answers, does_it_and_dies
from tests.services.shop import Shop


def test_it_counts_the_orders_that_are_under_way(empty_shop: Shop) -> None:
    stock, bank = Scripted("stock"), Scripted("bank", Part.SETTLE)
    shop = empty_shop.with_systems(stock, bank)
    shop.submit()
    for _ in range(2):
        stock.acts.append(answers(Outcome.UNKNOWN, "timeout"))
        shop.submit()
    for _ in range(3):
        stock.acts.append(does_it_and_dies(stock))
        try:
            shop.submit()
        except Killed:
            continue
    seen = look(shop.settings.systems)
    numbers = {state: count.number for state, count in seen.orders.items()}
    assert numbers == {OrderState.PLACING: 3, OrderState.COMPENSATING: 2}
    assert {state: count.number for state, count in seen.tasks.items() if count.number} == {TaskState.WAITING: 3}


def test_what_waits_for_a_paused_system_shows_nothing_about_the_workers(empty_shop: Shop) -> None:
    shop = empty_shop.with_systems(Scripted("stock"), Scripted("bank", Part.SETTLE))
    shop.submit()
    with writing() as session:
        session.execute(update(Task).values(due_at=db_now(-600)))
    systems = shop.settings.systems
    assert read_numbers(systems).oldest_due_task_seconds >= 600
    assert (look(systems).overdue_seconds or 0) >= 600
    switch_system("bank", SwitchMode.PAUSED, COMMAND_LINE, "down", shop.settings)
    assert read_numbers(systems).oldest_due_task_seconds == 0
    assert look(systems).overdue_seconds is None
