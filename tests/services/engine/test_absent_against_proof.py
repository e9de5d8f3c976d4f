"""A system that shows nothing although it has answered that it was done: asked once more, then for staff (T4)."""

from __future__ import annotations

import pytest

from orderapp.domain.outcome import Finding, Outcome
from orderapp.domain.retry import Guarantee
from orderapp.domain.states import OrderState
from orderapp.models import Resolution
from orderapp.services.backoffice.manual_resolutions import mark
from orderapp.services.backoffice.risks import Risk
from orderapp.services.backoffice.task_actions import requeue
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.systems.base import Part
from orderapp.systems.limits import Limits
from tests.services.listening import reconciled
from tests.services.scripted import Scripted, answers
from tests.services.shop import Shop
from tests.services.tampering import correct_mismatch


@pytest.fixture(params=[Part.BLOCKING, Part.SETTLE])
def ledger(request: pytest.FixtureRequest) -> Scripted:
    return Scripted("ledger", request.param, Guarantee.QUERY_FIRST, late_window_seconds=60, attempts=9)


@pytest.fixture
def shop1(empty_shop: Shop, ledger: Scripted) -> Shop:
    return empty_shop.with_systems(ledger)


def test_what_was_done_and_shows_nothing_is_asked_for_again_and_then_for_staff(shop1: Shop, ledger: Scripted) -> None:
    order = shop1.submit().order
    shop1.work_until_quiet()
    shop1.cancel(order.id)
    ledger.findings.extend([Finding.ABSENT] * 2)
    shop1.let_late_windows_pass()
    shop1.work()
    task = shop1.task(kind="compensate")
    assert (task.state, task.last_code) == ("waiting", "absent_against_proof")
    assert 50 < (shop1.seconds_until_due(task.id) or 0) <= 60
    shop1.make_due()
    shop1.work()
    task = shop1.task(kind="compensate")
    assert (task.state, task.last_code, ledger.held) == ("failed", "absent_against_proof", 1)
    assert "look there" in (task.last_message or "")
    assert shop1.view(order.id).state is OrderState.COMPENSATING

    requeue([task.id], COMMAND_LINE, "its index has caught up", shop1.settings)
    shop1.work_until_quiet()
    assert (shop1.view(order.id).state, ledger.held) == (OrderState.CANCELLED, 0)


def test_an_index_that_has_caught_up_by_then_leaves_nothing_to_staff(shop1: Shop, ledger: Scripted) -> None:
    order = shop1.submit().order
    shop1.work_until_quiet()
    shop1.cancel(order.id)
    ledger.findings.append(Finding.ABSENT)
    shop1.work_until_quiet_but_for_staff()
    assert (shop1.view(order.id).state, ledger.held) == (OrderState.CANCELLED, 0)


def test_staff_may_say_that_it_is_no_longer_there(shop1: Shop, ledger: Scripted) -> None:
    order = shop1.submit().order
    shop1.work_until_quiet()
    shop1.cancel(order.id)
    ledger.findings.extend([Finding.ABSENT] * 3)
    shop1.work_until_quiet_but_for_staff()
    task = shop1.task(kind="compensate", state="failed")
    mark([task.id], Resolution.NOT_HAPPENED, COMMAND_LINE, "they have lost it", shop1.settings, Risk.ENDS_ORDER)
    assert shop1.view(order.id).state is OrderState.CANCELLED


def test_what_is_undone_by_our_own_act_is_no_contradiction(shop1: Shop, ledger: Scripted) -> None:
    order = shop1.submit().order
    shop1.work_until_quiet()
    shop1.cancel(order.id)
    # Its undo works, and its answer is lost.
    ledger.undos.append(lambda effect: (ledger.in_place.clear(), answers(Outcome.UNKNOWN)(effect))[1])
    shop1.work_until_quiet_but_for_staff()
    assert shop1.view(order.id).state is OrderState.CANCELLED


def test_nothing_after_our_own_undo_is_no_contradiction_once_it_has_been_asked_for_twice(
    shop1: Shop, ledger: Scripted
) -> None:
    order = shop1.submit().order
    shop1.work_until_quiet()
    shop1.cancel(order.id)
    ledger.undos.append(lambda effect: (ledger.in_place.clear(), answers(Outcome.UNKNOWN)(effect))[1])
    ledger.findings.extend([Finding.IN_PLACE, Finding.ABSENT, Finding.ABSENT])  # it forgets what it has undone
    shop1.work_until_quiet_but_for_staff()
    assert shop1.view(order.id).state is OrderState.CANCELLED
    assert ledger.verbs() == ["act", "ask", "undo", "ask", "ask"]


def test_what_was_accepted_and_shows_nothing_is_not_done_twice(empty_shop: Shop) -> None:
    ledger = Scripted("ledger", Part.SETTLE, Guarantee.QUERY_FIRST, late_window_seconds=60, attempts=9)
    shop = empty_shop.with_systems(ledger)
    ledger.acts.append(answers(Outcome.DONE, "", pending=True))
    shop.submit()
    shop.work()
    shop.work_until_quiet_but_for_staff()
    assert (shop.task().state, shop.task().last_code) == ("failed", "absent_against_proof")
    assert ledger.verbs() == ["act", "ask", "ask"]


def test_what_one_system_has_done_proves_nothing_of_another(empty_shop: Shop) -> None:
    bank = Scripted("bank", Part.SETTLE)
    ledger = Scripted("ledger", Part.SETTLE, Guarantee.QUERY_FIRST, late_window_seconds=60, attempts=9)
    shop = empty_shop.with_systems(bank, ledger)
    ledger.acts.append(answers(Outcome.UNKNOWN, "timeout"))
    order = shop.submit().order
    shop.work()
    assert (bank.held, shop.task(system="ledger").last_code) == (1, "timeout")
    shop.cancel(order.id)
    shop.work_until_quiet_but_for_staff()
    assert (shop.view(order.id).state, bank.held) == (OrderState.CANCELLED, 0)


def test_a_correction_asks_only_when_the_query_can_no_longer_lag_behind(shop1: Shop, ledger: Scripted) -> None:
    shop1.submit()
    shop1.work_until_quiet()
    ledger.findings.extend([Finding.ABSENT] * 2)
    reconciled(shop1)
    correct_mismatch(1, COMMAND_LINE, "it shows nothing", shop1.settings)
    shop1.work()
    task = shop1.task(kind="settle")
    assert (task.state, task.last_code) == ("waiting", "late_window")
    shop1.let_late_windows_pass()
    shop1.work()
    assert (shop1.task(kind="settle").state, ledger.ever_done.total()) == ("done", 1)


def test_the_late_window_of_a_paced_system_begins_after_the_longest_wait_for_a_slot(empty_shop: Shop) -> None:
    ledger = Scripted("ledger", Part.SETTLE, Guarantee.QUERY_FIRST, late_window_seconds=60, attempts=9)
    ledger.limits = Limits(rate_per_second=0.1)
    shop = empty_shop.with_systems(ledger)
    order = shop.submit().order
    ledger.acts.append(answers(Outcome.UNKNOWN))
    shop.work()
    shop.cancel(order.id)
    # Its run may still be under way: two calls, each after the longest wait for its slot.
    longest_run_seconds = 2 * (ledger.call_seconds + ledger.limits.longest_wait_seconds)
    left = shop.seconds_until_absence_counts(shop.task(kind="compensate").id)
    assert 60 + longest_run_seconds - 5 < left <= 60 + longest_run_seconds


def test_what_was_undone_or_corrected_of_another_order_is_no_proof_of_this_one(shop1: Shop, ledger: Scripted) -> None:
    other, order = shop1.submit().order, shop1.submit().order
    shop1.work_until_quiet()
    shop1.cancel(other.id)
    shop1.let_late_windows_pass()
    shop1.work_until_quiet()
    assert (shop1.view(other.id).state, ledger.held) == (OrderState.CANCELLED, 1)
    shop1.cancel(order.id)
    ledger.findings.extend([Finding.ABSENT] * 2)
    shop1.let_late_windows_pass()
    shop1.work()
    assert [task.last_code for task in shop1.tasks(order.id, kind="compensate")] == ["absent_against_proof"]
