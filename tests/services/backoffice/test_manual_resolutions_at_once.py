"""Staff give their resolution while others act on the same task: whoever comes second sees what the first did."""

from __future__ import annotations

import pytest

from orderapp.domain.outcome import Outcome
from orderapp.domain.states import OrderState
from orderapp.models import Resolution
from orderapp.services.backoffice import task_actions
from orderapp.services.backoffice.manual_resolutions import mark
from orderapp.services.backoffice.risks import Risk
from orderapp.services.engine.run_task import run_task
from orderapp.services.orders.cancel import cancel_order
from orderapp.systems.base import Part
from orderapp.systems.limits import Limits
from tests.services.backoffice.test_manual_resolutions import ADA, resolutions, say
from tests.services.scripted import Scripted, answers, does_it_then
from tests.services.shop import Shop
from tests.services.test_interleaving import Deed, every_interleaving


@pytest.fixture
def database_url(postgres_database: str) -> str:
    """PostgreSQL: SQLite has one writer at a time."""
    return postgres_database


@pytest.fixture
def bank() -> Scripted:
    return Scripted("bank", Part.SETTLE)


@pytest.fixture
def stock() -> Scripted:
    return Scripted("stock")


@pytest.fixture
def shop(empty_shop: Shop, stock: Scripted, bank: Scripted) -> Shop:
    # They fail again and again here, and aren't to be given a rest.
    stock.limits = bank.limits = Limits(circuit_calls=0)
    return empty_shop.with_systems(stock, bank)


def doubtful_settlement(shop: Shop, bank: Scripted) -> int:
    """A settlement of unknown outcome that waits for its next attempt."""
    bank.acts.append(does_it_then(bank))
    order = shop.submit().order
    [task] = shop.tasks(order.id, kind="settle")
    run_task(task.id, shop.settings)
    return task.id


def held_stock(shop: Shop, stock: Scripted) -> int:
    """A compensation in staff's hands."""
    stock.acts.append(does_it_then(stock))
    stock.undos.append(answers(Outcome.REFUSED, "no", repeatable=False))
    order = shop.submit().order
    [task] = shop.tasks(order.id, kind="compensate")
    run_task(task.id, shop.settings)
    return task.id


def test_of_two_members_of_staff_who_say_opposite_things_one_is_heard(shop: Shop, bank: Scripted) -> None:
    said: list[str] = []

    def prepare() -> tuple[Deed, Deed]:
        said.clear()
        task_id = doubtful_settlement(shop, bank)
        return (
            lambda: said.extend(say(shop, Resolution.HAPPENED, task_id)),
            lambda: said.extend(say(shop, Resolution.NOT_HAPPENED, task_id)),
        )

    def check() -> None:
        assert sum("is marked as" in text for text in said) == 1, said
        assert bank.held == shop.order_count() == len(shop.tasks(kind="settle", state="done"))
        assert len(resolutions()) == shop.order_count()

    every_interleaving(shop, prepare, check)


def test_a_worker_and_a_word_at_the_same_moment(shop: Shop, bank: Scripted) -> None:
    said: list[str] = []

    def prepare() -> tuple[Deed, Deed]:
        said.clear()
        bank.calls.clear()
        task_id = doubtful_settlement(shop, bank)
        shop.make_due()
        return (
            lambda: run_task(task_id, shop.settings),
            lambda: said.extend(say(shop, Resolution.HAPPENED, task_id)),
        )

    def check() -> None:
        [text] = said
        heard = "is marked as" in text
        assert heard or "a worker has it" in text or "it is done" in text or "at this very moment" in text, text
        # Once staff have been heard nobody calls any more.
        assert bank.verbs() == (["act"] if heard else ["act", "act"])
        assert len(shop.tasks(kind="settle", state="done")) == shop.order_count()

    every_interleaving(shop, prepare, check)


def test_a_worker_and_giving_up_at_the_same_moment(shop: Shop, bank: Scripted) -> None:
    said: list[bool] = []

    def prepare() -> tuple[Deed, Deed]:
        task_id = doubtful_settlement(shop, bank)
        shop.make_due()
        return (
            lambda: run_task(task_id, shop.settings),
            lambda: said.append(task_actions.cancel([task_id], ADA, "paid in cash").items[0].done),
        )

    def check() -> None:
        given_up = len(shop.tasks(kind="settle", state="cancelled"))
        assert given_up == sum(said) == len(resolutions())
        assert given_up + len(shop.tasks(kind="settle", state="done")) == shop.order_count()

    every_interleaving(shop, prepare, check)


def test_requeueing_and_a_word_at_the_same_moment(shop: Shop, stock: Scripted) -> None:
    def prepare() -> tuple[Deed, Deed]:
        task_id = held_stock(shop, stock)
        task_actions.cancel([task_id], ADA, "nobody answers")
        return (
            lambda: mark([task_id], Resolution.NOT_HAPPENED, ADA, "they looked", shop.settings, Risk.ENDS_ORDER),
            lambda: task_actions.requeue([task_id], ADA, "somebody answers", shop.settings),
        )

    def check() -> None:
        assert shop.orders_in(OrderState.FAILED) == shop.order_count()
        assert {task.state for task in shop.tasks(kind="compensate")} == {"done"}
        assert all(
            resolution.ended_at for resolution in resolutions() if resolution.resolution == Resolution.GIVEN_UP.value
        )

    every_interleaving(shop, prepare, check)


def test_cancelling_the_order_and_a_word_at_the_same_moment(shop: Shop, stock: Scripted, bank: Scripted) -> None:
    def prepare() -> tuple[Deed, Deed]:
        task_id = doubtful_settlement(shop, bank)
        [task] = shop.tasks(id=task_id)  # type: ignore[arg-type]
        return (
            lambda: mark([task_id], Resolution.HAPPENED, ADA, "they looked", shop.settings),
            lambda: cancel_order(task.order_id, shop.settings),
        )

    def check() -> None:
        shop.work_until_quiet_but_for_staff()
        assert shop.orders_in(OrderState.CANCELLED) == shop.order_count()
        assert (stock.held, bank.held, resolutions(unproven=True)) == (0, 0, [])

    every_interleaving(shop, prepare, check)
