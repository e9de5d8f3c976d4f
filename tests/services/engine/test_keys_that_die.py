"""Keys that a system forgets after a time, and keys under which it stores a failure for ever."""

from __future__ import annotations

import pytest

from orderapp.domain.orders import Effect
from orderapp.domain.outcome import Answer, Finding, Outcome
from orderapp.domain.states import OrderState
from orderapp.models import Resolution
from orderapp.services.backoffice.manual_resolutions import mark
from orderapp.services.backoffice.risks import Risk
from orderapp.services.backoffice.task_actions import requeue
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.services.db.transactions import reading
from orderapp.services.reconciliation.mismatches import OPEN_MISMATCHES
from orderapp.systems.base import Part
from tests.services import listening
from tests.services.scripted import Killed, Scripted, answers, dies, does_it_and_dies, does_it_then
from tests.services.shop import Shop
from tests.services.tampering import correct_mismatch

WINDOW_SECONDS = 3600.0


@pytest.fixture
def bank() -> Scripted:
    return Scripted("bank", Part.SETTLE, attempts=20, key_window_seconds=WINDOW_SECONDS)


@pytest.fixture
def shop1(empty_shop: Shop, bank: Scripted) -> Shop:
    return empty_shop.with_systems(bank)


def test_a_dead_key_is_not_repeated_but_asked_for_and_found_in_place(shop1: Shop, bank: Scripted) -> None:
    bank.acts.append(does_it_then(bank))
    shop1.submit()
    shop1.work()
    shop1.let_keys_die()
    shop1.work_until_quiet()
    assert (shop1.task().state, bank.verbs()) == ("done", ["act", "ask"])


def test_a_dead_key_that_shows_nothing_is_for_staff(shop1: Shop, bank: Scripted) -> None:
    bank.acts.append(answers(Outcome.UNKNOWN))
    shop1.submit()
    shop1.work()
    shop1.let_keys_die()
    shop1.make_due()
    shop1.work()
    task = shop1.task()
    assert (task.state, task.last_code, bank.verbs()) == ("failed", "key_dead", ["act", "ask"])
    assert "may have forgotten the key" in (task.last_message or "")


def test_a_key_that_was_never_used_cannot_have_died(shop1: Shop, bank: Scripted) -> None:
    shop1.submit()
    shop1.let_keys_die()
    shop1.work_until_quiet()
    assert (shop1.task().state, bank.verbs()) == ("done", ["act"])


def test_a_key_lives_from_its_first_use(shop1: Shop, bank: Scripted) -> None:
    bank.acts.append(answers(Outcome.UNKNOWN))
    shop1.submit()
    assert shop1.task().key_used_at is None
    shop1.work()
    first = shop1.task().key_used_at
    assert first is not None
    shop1.make_due()
    shop1.work_until_quiet()
    assert shop1.task().key_used_at == first, "a repeat makes it no younger"


@pytest.mark.parametrize("age_seconds", [WINDOW_SECONDS / 2, WINDOW_SECONDS])
def test_requeueing_makes_no_key_younger(shop1: Shop, bank: Scripted, age_seconds: float) -> None:
    bank.acts.append(answers(Outcome.UNKNOWN))
    shop1.submit()
    shop1.work()
    shop1.age_keys(age_seconds)
    requeue([shop1.task().id], COMMAND_LINE, "try again", shop1.settings)
    shop1.age_keys(WINDOW_SECONDS - age_seconds)
    shop1.make_due()
    shop1.work()
    task = shop1.task()
    assert (task.state, task.last_code, bank.verbs()) == ("failed", "key_dead", ["act", "ask"])


def test_staff_who_say_that_it_did_not_happen_have_it_called_for_once_more(shop1: Shop, bank: Scripted) -> None:
    bank.acts.extend([answers(Outcome.UNKNOWN)] * 2)
    shop1.submit()
    shop1.work()
    shop1.let_keys_die()
    for _ in range(2):
        shop1.make_due()
        shop1.work()
        unseen = mark([shop1.task().id], Resolution.NOT_HAPPENED, COMMAND_LINE, "with others", shop1.settings)
        assert [(item.done, item.risk) for item in unseen.items] == [(False, Risk.TWICE)]
        mark(
            [shop1.task().id],
            Resolution.NOT_HAPPENED,
            COMMAND_LINE,
            "the bank never had it",
            shop1.settings,
            Risk.TWICE,
        )
        shop1.work()
    # The second time in doubt the key is as old as it was, so they were asked again.
    assert (shop1.task().state, bank.held) == ("done", 1)
    assert bank.verbs() == ["act", "ask", "act", "ask", "act"]


def test_a_call_that_was_never_sent_uses_no_key(shop1: Shop, bank: Scripted) -> None:
    bank.acts.append(answers(Outcome.NOT_SENT, "not_connected"))
    shop1.submit()
    shop1.work()
    assert shop1.task().key_used_at is None
    shop1.let_keys_die()
    shop1.work_until_quiet()
    assert (shop1.task().state, bank.verbs()) == ("done", ["act", "act"])


@pytest.mark.parametrize("there", [True, False])
def test_a_resumed_request_repeats_nothing_under_a_dead_key(empty_shop: Shop, there: bool) -> None:
    stock = Scripted("stock", key_window_seconds=WINDOW_SECONDS)
    stock.acts.append(does_it_and_dies(stock) if there else dies)
    shop, content = empty_shop.with_systems(stock), empty_shop.content()
    with pytest.raises(Killed):
        shop.submit("one key", content)
    shop.let_submission_leases_lapse()
    shop.age_keys(WINDOW_SECONDS)
    order = shop.submit("one key", content).order
    assert stock.verbs() == ["act", "ask"]
    assert order.state is (OrderState.CONFIRMED if there else OrderState.COMPENSATING)


def test_a_correction_is_as_old_as_the_step_that_it_does_again(empty_shop: Shop) -> None:
    stock = Scripted("stock", key_window_seconds=WINDOW_SECONDS)
    shop = empty_shop.with_systems(stock)
    order = shop.submit().order
    stock.in_place.clear()
    stock.ever_done.clear()
    mismatch_id = open_mismatch(shop)
    correct_mismatch(mismatch_id, COMMAND_LINE, "gone", shop.settings)
    shop.age_keys(WINDOW_SECONDS)
    shop.let_late_windows_pass()
    shop.work()
    task = shop.task(order_id=order.id)
    assert (task.last_code, stock.verbs()) == ("key_dead", ["act", "ask", "ask"])


def test_a_correction_that_had_to_take_a_new_key_is_undone_and_compared_by_it(empty_shop: Shop) -> None:
    stock = Scripted("stock", stores_failures=True, attempts=20)
    shop = empty_shop.with_systems(stock)
    order = shop.submit().order
    stock.in_place.clear()
    stock.ever_done.clear()
    correct_mismatch(open_mismatch(shop), COMMAND_LINE, "gone", shop.settings)
    stock.acts.append(answers(Outcome.UNKNOWN))
    shop.work_until_quiet()
    [held] = [key for key, number in stock.in_place.items() if number]
    assert held.endswith(":2")
    assert open_mismatch(shop) is None, "what is in place under the new key is what our rows say"
    shop.cancel(order.id)
    shop.work_until_quiet()
    assert (shop.view(order.id).state, stock.held) == (OrderState.CANCELLED, 0)
    assert open_mismatch(shop) is None


def open_mismatch(shop: Shop) -> int | None:
    """Reconcile; return the only difference that nobody has done anything about."""
    listening.reconciled(shop)
    with reading() as session:
        return session.scalar(OPEN_MISMATCHES)


@pytest.mark.parametrize(
    ("finding", "state", "verbs"),
    [
        (Finding.IN_PLACE, "done", ["ask", "undo"]),
        (Finding.UNDONE, "done", ["ask"]),
        (Finding.ABSENT, "failed", ["ask"]),
    ],
)
def test_a_dead_key_is_undone_only_where_the_system_still_shows_it(
    empty_shop: Shop, finding: Finding, state: str, verbs: list[str]
) -> None:
    # A cancel of a forgotten key is answered with yes, and cancels nothing.
    stock = Scripted("stock", position=1, key_window_seconds=WINDOW_SECONDS)
    no = Scripted("no", position=2)
    no.acts.append(answers(Outcome.REFUSED, "no", repeatable=False))
    shop = empty_shop.with_systems(stock, no)
    shop.submit()
    shop.let_keys_die()
    stock.findings.append(finding)
    shop.work()
    assert shop.task(system="stock").state == state
    assert stock.verbs() == ["act", *verbs]


@pytest.fixture
def freezer() -> Scripted:
    """A system that answers a key whose first request failed with that failure, over and over."""
    return Scripted("freezer", Part.SETTLE, attempts=20, stores_failures=True)


def freezes(system: Scripted, done: bool) -> None:
    """Let the first call fail, and every repeat under its key be answered with the stored failure."""
    frozen: set[str] = set()

    def act(effect: Effect) -> Answer:
        system.acts.append(act)
        if not frozen:
            frozen.add(effect.key)
            if done:
                system.do(effect)
        return Answer(Outcome.UNKNOWN, "http_500") if effect.key in frozen else system.do(effect)

    system.acts.append(act)


@pytest.mark.parametrize("done", [True, False])
def test_a_stored_failure_is_never_repeated_but_its_key_barred_and_a_new_one_used(
    empty_shop: Shop, freezer: Scripted, done: bool
) -> None:
    freezes(freezer, done)
    shop = empty_shop.with_systems(freezer)
    order = shop.submit().order
    shop.work_until_quiet()
    task = shop.task()
    assert (task.state, task.key, freezer.verbs()) == ("done", f"{order.number}:1:freezer:2", ["act", "undo", "act"])
    assert (freezer.held, freezer.in_place[f"{order.number}:1:freezer"]) == (1, 0)
    assert task.attempts == 2, "barring the key used up none"


def test_an_order_settled_under_a_later_key_is_cancelled_under_that_key(empty_shop: Shop, freezer: Scripted) -> None:
    freezes(freezer, done=True)
    shop = empty_shop.with_systems(freezer)
    order = shop.submit().order
    shop.work_until_quiet()
    shop.cancel(order.id)
    shop.work_until_quiet()
    assert (shop.view(order.id).state, freezer.held) == (OrderState.CANCELLED, 0)


def test_a_key_that_cannot_be_barred_is_not_left_behind(empty_shop: Shop, freezer: Scripted) -> None:
    freezes(freezer, done=True)
    freezer.undos.append(answers(Outcome.UNKNOWN))
    shop = empty_shop.with_systems(freezer)
    shop.submit()
    shop.work_until_quiet()
    assert freezer.verbs() == ["act", "undo", "undo", "act"]
    assert freezer.held == 1


@pytest.mark.parametrize(
    ("age_seconds", "kinds"),
    [(0.0, [("bank", "missing effect")]), (WINDOW_SECONDS + 60, [("bank", "could not be checked")])],
)
def test_reconciliation_believes_that_nothing_is_there_only_of_a_living_key(
    empty_shop: Shop, bank: Scripted, age_seconds: float, kinds: list[tuple[str, str]]
) -> None:
    shop = empty_shop.with_systems(Scripted("stock", position=1), bank)
    order = shop.submit().order
    shop.work_until_quiet()
    [settle] = shop.tasks(order.id, kind="settle")
    del bank.in_place[settle.key], bank.ever_done[settle.key]
    shop.age_keys(age_seconds)
    assert listening.reconciled(shop).kinds == kinds
