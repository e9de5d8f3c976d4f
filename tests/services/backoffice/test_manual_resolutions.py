"""Staff's resolution on effects that nobody could prove: what follows, and what becomes of the resolution."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from orderapp.domain.outcome import Answer, Finding, Outcome
from orderapp.domain.retry import Guarantee
from orderapp.domain.states import OrderState, StepState
from orderapp.models import AuditEntry, ManualResolution, Resolution
from orderapp.services.backoffice import task_actions
from orderapp.services.backoffice.manual_resolutions import mark
from orderapp.services.backoffice.risks import Risk
from orderapp.services.db.audit import Actor
from orderapp.services.db.transactions import reading
from orderapp.services.engine.recovery import recover
from orderapp.services.engine.run_task import run_task
from orderapp.services.placing.place import Result
from orderapp.systems.base import Part
from tests.services.scripted import OneOfEach, Scripted, answers, does_it_then
from tests.services.shop import Shop

ADA = Actor(None, "ada@example.com")
UNKNOWN = answers(Outcome.UNKNOWN, "timeout")


def say(shop: Shop, resolution: Resolution, *task_ids: int, reason: str = "they looked for us") -> list[str]:
    """Give staff's resolution; return what became of each task."""
    items = mark(task_ids, resolution, ADA, reason, shop.settings).items
    if len(items) == 1 and items[0].risk:
        items = mark(task_ids, resolution, ADA, reason, shop.settings, items[0].risk).items
    return [item.text for item in items]


def resolutions(unproven: bool = False) -> list[ManualResolution]:
    """Return what staff have said, oldest first."""
    with reading() as session:
        found = session.scalars(select(ManualResolution).order_by(ManualResolution.id)).all()
    return [resolution for resolution in found if resolution.ended_at is None or not unproven]


def audited(act: str) -> list[AuditEntry]:
    with reading() as session:
        return list(session.scalars(select(AuditEntry).where(AuditEntry.act == act, AuditEntry.refused.is_(None))))


@pytest.fixture
def doubtful_text(busy_shop: Shop, systems: OneOfEach) -> int:
    """A text message that may have gone out, in staff's hands."""
    systems.texts.acts.append(UNKNOWN)
    busy_shop.submit()
    busy_shop.work_until_quiet()
    task = busy_shop.task(kind="notify")
    assert (task.state, systems.texts.verbs()) == ("failed", ["act"])
    return task.id


@pytest.fixture
def held(busy_shop: Shop, systems: OneOfEach) -> int:
    """What the stock may hold for an order that is compensating, and fails to give back: in staff's hands."""
    systems.stock.acts.append(does_it_then(systems.stock))
    systems.stock.undos.extend([answers(Outcome.NOT_SENT)] * 3)
    busy_shop.submit()
    busy_shop.work_until_quiet_but_for_staff()
    task = busy_shop.task(kind="compensate", system="stock")
    assert (task.state, busy_shop.the_order().state) == ("failed", OrderState.COMPENSATING)
    return task.id


def test_what_happened_is_done_and_not_done_again(busy_shop: Shop, systems: OneOfEach, doubtful_text: int) -> None:
    assert say(busy_shop, Resolution.HAPPENED, doubtful_text) == [f"Task {doubtful_text} is marked as happened."]
    busy_shop.make_due()
    busy_shop.work_until_quiet()
    task = busy_shop.task(kind="notify")
    assert (task.state, task.last_message) == ("done", "marked as happened by ada@example.com")
    assert task.finished_at is not None
    assert systems.texts.verbs() == ["act"]
    [resolution] = resolutions()
    assert (resolution.resolution, resolution.system, resolution.key, resolution.actor) == (
        "happened",
        "texts",
        task.key,
        "ada@example.com",
    )
    assert (resolution.task_id, resolution.order_id, resolution.ended_at) == (task.id, task.order_id, None)


def test_each_word_is_audited_with_what_was_before_and_after(busy_shop: Shop, doubtful_text: int) -> None:
    say(busy_shop, Resolution.HAPPENED, doubtful_text, reason=" the customer answered it ")
    [entry] = audited("task.happened")
    assert (entry.actor, entry.reason, entry.subject) == (
        "ada@example.com",
        "the customer answered it",
        f"task {doubtful_text}",
    )
    assert json.loads(entry.details) == {"before": {"state": "failed", "attempts": 1}, "after": {"state": "done"}}


def test_what_did_not_happen_is_done_now_and_the_systems_answer_settles_the_word(
    busy_shop: Shop, systems: OneOfEach, doubtful_text: int
) -> None:
    say(busy_shop, Resolution.NOT_HAPPENED, doubtful_text)
    task = busy_shop.task(kind="notify")
    assert (task.state, busy_shop.seconds_until_due(task.id)) <= ("waiting", 0)
    assert [resolution.resolution for resolution in resolutions(unproven=True)] == ["not_happened"]
    busy_shop.work_until_quiet()
    assert (systems.texts.verbs(), busy_shop.task(kind="notify").state) == (["act", "act"], "done")
    assert [resolution.ended_by for resolution in resolutions()] == ["the system answered: done"]


def test_after_the_word_only_a_new_doubt_counts(empty_shop: Shop) -> None:
    bank = Scripted("bank", Part.SETTLE, Guarantee.QUERY_FIRST)
    shop = empty_shop.with_systems(Scripted("stock"), bank)
    bank.acts.append(UNKNOWN)
    # Undone by somebody: doing it again is for staff to decide.
    bank.findings.append(Finding.UNDONE)
    shop.submit()
    shop.work_until_quiet()
    task = shop.task(kind="settle")
    assert (task.state, bank.verbs()) == ("failed", ["act", "ask"])
    bank.acts.append(UNKNOWN)
    say(shop, Resolution.NOT_HAPPENED, task.id)
    shop.work_until_quiet()
    # Not asked before the first call after the resolution; after that call's unknown outcome it is again.
    assert bank.verbs() == ["act", "ask", "act", "ask", "act"]
    assert (shop.task(kind="settle").state, bank.held, resolutions(unproven=True)) == ("done", 1, [])


def test_what_never_happened_leaves_nothing_to_undo_and_the_order_ends(
    busy_shop: Shop, systems: OneOfEach, held: int
) -> None:
    systems.stock.in_place.clear()
    say(busy_shop, Resolution.NOT_HAPPENED, held)
    order = busy_shop.the_order()
    assert (order.state, busy_shop.task(kind="compensate", system="stock").state) == (OrderState.FAILED, "done")
    step = next(step for step in busy_shop.steps(order.id) if step.system == "stock")
    assert step.state == StepState.COMPENSATED.value
    assert [resolution.resolution for resolution in resolutions(unproven=True)] == ["not_happened"]
    assert busy_shop.retry(order.id).result is Result.CONFIRMED


def test_what_happened_is_undone_now(busy_shop: Shop, systems: OneOfEach, held: int) -> None:
    say(busy_shop, Resolution.HAPPENED, held)
    assert busy_shop.the_order().state is OrderState.COMPENSATING
    assert {step.state for step in busy_shop.steps(busy_shop.the_order().id)} >= {StepState.UNKNOWN.value}
    assert [resolution.resolution for resolution in resolutions(unproven=True)] == ["happened"]
    busy_shop.work_until_quiet()
    assert (busy_shop.the_order().state, systems.stock.held, resolutions(unproven=True)) == (OrderState.FAILED, 0, [])


def test_an_effect_that_comes_late_disproves_that_it_did_not_happen(empty_shop: Shop) -> None:
    voucher = Scripted("voucher", guarantee=Guarantee.QUERY_FIRST)
    shop = empty_shop.with_systems(voucher)

    def late(effect: Any) -> Answer:
        shop.let_submission_leases_lapse()
        recover(shop.settings)
        say(shop, Resolution.NOT_HAPPENED, shop.task(kind="compensate").id)
        assert shop.the_order().state is OrderState.FAILED
        return voucher.do(effect)

    voucher.acts.append(late)
    assert shop.submit().order.state is OrderState.COMPENSATING
    assert [resolution.ended_by for resolution in resolutions()] == ["an effect came late"]
    shop.work_until_quiet()
    assert (shop.the_order().state, voucher.held) == (OrderState.FAILED, 0)


def test_a_late_answer_settles_the_word_as_well(busy_shop: Shop, systems: OneOfEach) -> None:
    def slow(effect: Any) -> Answer:
        busy_shop.let_task_leases_lapse()
        recover(busy_shop.settings)
        say(busy_shop, Resolution.HAPPENED, busy_shop.task(kind="notify").id)
        return systems.texts.do(effect)

    systems.texts.acts.append(slow)
    busy_shop.submit()
    busy_shop.work_until_quiet()
    assert [(resolution.resolution, resolution.ended_by) for resolution in resolutions()] == [
        ("happened", "the system answered late: done")
    ]


def test_a_known_effect_is_not_said_to_have_happened_but_may_be_gone(busy_shop: Shop, systems: OneOfEach) -> None:
    systems.stock.undos.extend([answers(Outcome.REFUSED, "no", repeatable=False)])
    order = busy_shop.submit().order
    busy_shop.work_until_quiet()
    busy_shop.cancel(order.id)
    busy_shop.let_late_windows_pass()
    busy_shop.work_until_quiet_but_for_staff()
    task = busy_shop.task(kind="compensate", system="stock")
    assert task.state == "failed"
    assert say(busy_shop, Resolution.HAPPENED, task.id) == [
        f"Task {task.id} can't be marked as happened: it is known that it happened; requeue it to have it undone."
    ]
    say(busy_shop, Resolution.NOT_HAPPENED, task.id, reason="they gave it back by hand")
    assert busy_shop.the_order().state is OrderState.CANCELLED


def _running(shop: Shop, systems: OneOfEach) -> list[str]:
    said: list[str] = []

    def act(effect: Any) -> Answer:
        said.extend(say(shop, Resolution.HAPPENED, shop.task(kind="settle").id))
        return systems.bank.do(effect)

    systems.bank.acts.append(act)
    shop.submit()
    shop.work_until_quiet()
    return said


def _done(shop: Shop, _: OneOfEach) -> list[str]:
    shop.submit()
    shop.work_until_quiet()
    return say(shop, Resolution.NOT_HAPPENED, shop.task(kind="settle").id)


def _never_tried(shop: Shop, _: OneOfEach) -> list[str]:
    shop.submit()
    return say(shop, Resolution.HAPPENED, shop.task(kind="settle").id)


def _not_in_doubt(shop: Shop, systems: OneOfEach) -> list[str]:
    systems.bank.acts.append(answers(Outcome.NOT_SENT))
    shop.submit()
    shop.work()
    return say(shop, Resolution.HAPPENED, shop.task(kind="settle").id)


def _gone_another_way(shop: Shop, systems: OneOfEach) -> list[str]:
    systems.bank.acts.append(UNKNOWN)
    order = shop.submit().order
    shop.work()
    shop.cancel(order.id)
    return say(shop, Resolution.HAPPENED, shop.task(kind="settle").id)


@pytest.mark.parametrize(
    ("circumstances", "why"),
    [
        (_running, "a worker has it right now"),
        (_done, "it is done"),
        (_never_tried, "nobody has tried it yet, so nothing is in doubt"),
        (_not_in_doubt, "nothing is in doubt; it waits for its time"),
        (_gone_another_way, "its order is compensating, so this isn't wanted any more"),
    ],
)
def test_where_there_is_nothing_to_say_the_word_is_refused(
    busy_shop: Shop, systems: OneOfEach, circumstances: Callable[[Shop, OneOfEach], list[str]], why: str
) -> None:
    [told] = circumstances(busy_shop, systems)
    assert told.endswith(f": {why}.")
    assert (resolutions(), audited("task.happened"), audited("task.not_happened")) == ([], [], [])


def test_only_what_is_owed_or_may_be_held_is_a_debt_once_it_is_given_up(busy_shop: Shop, systems: OneOfEach) -> None:
    systems.bank.acts.append(UNKNOWN)
    busy_shop.submit()
    settle, notify = busy_shop.task(kind="settle"), busy_shop.task(kind="notify")
    task_actions.cancel([settle.id, notify.id], ADA, "a test order")
    assert [
        (resolution.resolution, resolution.system, resolution.reason) for resolution in resolutions(unproven=True)
    ] == [("given_up", "bank", "a test order")]


def test_what_is_requeued_is_no_longer_given_up(busy_shop: Shop, held: int) -> None:
    task_actions.cancel([held], ADA, "nobody answers")
    task_actions.requeue([held], ADA, "somebody does", busy_shop.settings)
    assert [resolution.ended_by for resolution in resolutions()] == ["taken back by ada@example.com: requeued"]
    busy_shop.work_until_quiet()
    assert busy_shop.the_order().state is OrderState.FAILED


def test_what_is_requeued_leaves_given_up_what_else_is(busy_shop: Shop) -> None:
    for _ in range(2):
        busy_shop.submit()
    first, second = busy_shop.tasks(kind="settle")
    task_actions.cancel([first.id, second.id], ADA, "nobody answers")
    task_actions.requeue([first.id], ADA, "somebody does", busy_shop.settings, Risk.TWICE)
    assert [(resolution.task_id, resolution.ended_at is None) for resolution in resolutions()] == [
        (first.id, False),
        (second.id, True),
    ]


def test_a_later_word_takes_the_place_of_the_earlier(busy_shop: Shop, held: int) -> None:
    task_actions.cancel([held], ADA, "nobody answers")
    say(busy_shop, Resolution.NOT_HAPPENED, held)
    given_up, not_happened = resolutions()
    assert given_up.ended_by == "taken back by ada@example.com: marked as not happened"
    assert not_happened.ended_at is None
    assert busy_shop.the_order().state is OrderState.FAILED


def test_with_the_order_cancelled_nothing_is_owed_any_more(busy_shop: Shop, systems: OneOfEach) -> None:
    systems.bank.acts.append(does_it_then(systems.bank))
    order = busy_shop.submit().order
    run_task(busy_shop.task(kind="settle").id, busy_shop.settings)
    say(busy_shop, Resolution.HAPPENED, busy_shop.task(kind="settle").id)
    busy_shop.cancel(order.id)
    assert [resolution.ended_by for resolution in resolutions()] == ["the order was cancelled"]
    busy_shop.let_late_windows_pass()
    busy_shop.work_until_quiet()
    assert (busy_shop.the_order().state, systems.bank.held) == (OrderState.CANCELLED, 0)


def test_of_a_selection_each_is_marked_or_refused_by_itself(busy_shop: Shop, doubtful_text: int) -> None:
    settled = busy_shop.task(kind="settle").id
    assert say(busy_shop, Resolution.HAPPENED, doubtful_text, settled, 4711) == [
        f"Task {settled} can't be marked as happened: it is done.",
        f"Task {doubtful_text} is marked as happened.",
        "There is no task 4711.",
    ]
    [entry] = audited("tasks.happened")
    assert [item["done"] for item in json.loads(entry.details)["items"]] == [False, True, False]
