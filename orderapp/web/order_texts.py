"""What an order's state means to its customer: plain words, no internal names, no codes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from orderapp.domain.states import News, OrderState, StepState, TaskKind, TaskState
from orderapp.services.orders.views import OrderView, StepView, TaskView
from orderapp.services.saga.reasons import is_paused, reason_of
from orderapp.systems.base import Progress
from orderapp.systems.registry import Systems
from orderapp.web.language import current
from orderapp.web.language import lazy_gettext as _
from orderapp.web.return_texts import PAYMENTS as RETURNING_PAYMENTS
from orderapp.web.return_texts import STEPS as RETURNING_STEPS
from orderapp.web.return_texts import Obstacle, obstacle, returning

# Tone, title, paragraphs.
PLACING = (
    "info",
    _("We are placing your order"),
    _("This usually takes a few seconds. There is no need to order again."),
)
CONFIRMED = ("good", _("Your order is confirmed"), _("We have all we need from you."))
UNPAID = (
    "warn",
    _("Your order is confirmed, but the payment was refused"),
    _(
        "Don't order again: we look into it and will be in touch with you. If you would rather not wait, "
        "write to us and quote the order number below."
    ),
)
# Staff have stopped trying to take it. Whether it was taken may be unknown; that it isn't settled is sure.
UNSETTLED = (
    "warn",
    _("Your order is confirmed, but the payment is still open"),
    _(
        "Don't order again: we will be in touch with you about the payment. If you would rather not wait, "
        "write to us and quote the order number below."
    ),
)
FAILED = (
    "bad",
    _("Your order could not be placed"),
    _("Nothing is charged and nothing is held for you."),
    _("You can try again now, or change the order first."),
)
# If staff have paused the system, "try again now" would only lead back here.
FAILED_FOR_NOW = (*FAILED[:-1], _("You can try again here later, or change the order first."))
CANCELLED = (
    "info",
    _("Your order is cancelled"),
    _("Nothing is held for you, and anything that was paid is returned."),
)

HEADLINES = {
    OrderState.PLACING: PLACING,
    OrderState.CONFIRMED: CONFIRMED,
    OrderState.FAILED: FAILED,
    OrderState.CANCELLED: CANCELLED,
}

# What a step comes to; a step that is still planned when the order isn't being placed any more was never begun.
STEPS = {
    StepState.DONE: ("done", _("Arranged")),
    StepState.REFUSED: ("failed", _("Not possible")),
    StepState.UNKNOWN: ("undoing", _("No reliable answer; being checked and given back")),
    StepState.COMPENSATED: ("undone", _("Given back, nothing is held")),
}
# What the messages that confirm the order come to, all together: in the headline, and in the progress list.
MESSAGES = {
    TaskState.DONE: (_("A confirmation was sent to you."), "done", _("Sent")),
    TaskState.FAILED: (
        _("We couldn't send you the confirmation yet; your order is safe all the same."),
        "waiting",
        _("Couldn't be sent yet; your order is safe all the same"),
    ),
    TaskState.WAITING: (_("A confirmation is on its way to you."), "running", _("On its way")),
    TaskState.CANCELLED: (
        _("We couldn't send you a confirmation; your order is safe all the same, and this page confirms it."),
        "failed",
        _("Wasn't sent; your order is safe all the same"),
    ),
}
# Where staff have paused what sends them.
MESSAGES_PAUSED = (
    _("A confirmation will be sent to you as soon as we can."),
    "waiting",
    _("Will be sent as soon as we can"),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the progress list; `state` is done, running, waiting, failed, undoing or undone."""

    state: str
    title: str
    note: str
    at: dt.datetime | None = None  # when it came to that, in UTC; None if it is still open


@dataclass(frozen=True, slots=True)
class Story:
    """What the order's page says."""

    tone: str  # good, info, warn or bad
    title: str  # what happened, in one line
    paragraphs: tuple[str, ...]  # what was and wasn't done, what happens next, what to do
    progress: tuple[Entry, ...]  # the parts of the order and where each stands
    moving: bool  # whether the state may change by itself, so that the page should be refreshed
    changing: bool  # whether something on the page is under way, so that news is likely
    # Whether nothing on the page can change any more: what is confirmed may be cancelled, what has failed may be tried
    # again.
    is_last: bool
    can_retry: bool  # whether the order can be placed again now


def story_of(order: OrderView, systems: Systems) -> Story:
    """Return the text of the order's page."""
    tone, title, *paragraphs = _headline(order, systems)
    received = Entry("done", _("Order received"), "", order.created_at)
    progress = (received, *_steps(order, systems), *_later(order, systems))
    # A given-up task stays so until staff act again, so the page need not be refreshed.
    moving = not order.is_final and obstacle(order) is not Obstacle.GIVEN_UP
    return Story(
        tone=tone,
        title=str(title),
        paragraphs=tuple(str(text) for text in paragraphs if text),
        progress=tuple(Entry(entry.state, str(entry.title), str(entry.note), entry.at) for entry in progress),
        moving=moving,
        changing=moving or any(entry.state == "running" for entry in progress),
        is_last=order.state is OrderState.CANCELLED,
        can_retry=order.state is OrderState.FAILED and not order.is_erased,
    )


def _headline(order: OrderView, systems: Systems) -> tuple[str, ...]:
    """Return tone, title and paragraphs."""
    tone, title, *paragraphs = _words_of_state(order)
    reason = reason_of(order.stopped, order.lines, systems, current())
    messages = _messages(order)
    return (tone, title, reason, *paragraphs, messages[0] if messages else "")


def _words_of_state(order: OrderView) -> tuple[str, ...]:
    if order.state is OrderState.COMPENSATING:
        return returning(order)
    if order.state is OrderState.FAILED and order.is_erased:
        return FAILED[:-1]
    if order.state is OrderState.FAILED and is_paused(order.stopped):
        return FAILED_FOR_NOW
    if order.state is OrderState.CONFIRMED:
        payments = _payments(order)
        if any(task.refused for task in payments):
            return UNPAID
        if any(task.state is TaskState.CANCELLED for task in payments):
            return UNSETTLED
    return HEADLINES[order.state]


def _steps(order: OrderView, systems: Systems) -> Iterator[Entry]:
    running_is_taken = False
    for step in order.steps:
        title = systems.text(systems.title_of(step.system), current())
        entry = _step(title, step, order, running_is_taken)
        if entry:
            running_is_taken |= entry.state == "running"
            yield entry


def _step(title: str, step: StepView, order: OrderView, running_is_taken: bool) -> Entry | None:
    state = step.state
    if order.state is OrderState.PLACING and state in (StepState.PLANNED, StepState.UNKNOWN):
        return Entry("waiting", title, _("Next")) if running_is_taken else Entry("running", title, _("In progress"))
    if order.state is OrderState.COMPENSATING and state in (StepState.DONE, StepState.UNKNOWN):
        hindered = RETURNING_STEPS.get(obstacle(order, {step.system}))
        if hindered:
            return Entry(hindered[0], title, hindered[1])
        if state is StepState.DONE:
            return Entry("undoing", title, _("Being given back"))
    words = STEPS.get(state)
    return Entry(words[0], title, words[1], step.at) if words else None


def _later(order: OrderView, systems: Systems) -> Iterator[Entry]:
    """Yield entries for the payment, other work and the messages, once their tasks exist."""
    payments = _payments(order)
    if payments:
        yield from _payment(payments, order)
    for task in order.tasks:
        if task.kind is TaskKind.TASK:
            yield _work(task, order.state, systems)
    messages = _messages(order)
    if messages:
        state, note = messages[1:]
        yield Entry(state, _("Confirmation message"), note, _last(_told(order)) if state == "done" else None)


def _payments(order: OrderView) -> list[TaskView]:
    return [task for task in order.tasks if task.kind is TaskKind.SETTLE]


def _payment(payments: Sequence[TaskView], order: OrderView) -> Iterator[Entry]:
    states = [task.state for task in payments]
    if order.state is OrderState.COMPENSATING:
        state, note = RETURNING_PAYMENTS[obstacle(order, {task.system for task in payments})]
        yield Entry(state, _("Payment"), note)
    elif order.state is OrderState.CANCELLED:
        systems = {task.system for task in payments}
        returned = [task for task in order.tasks if task.kind is TaskKind.COMPENSATE and task.system in systems]
        yield Entry("undone", _("Payment"), _("Returned, or never taken"), _last(returned))
    elif order.state is OrderState.CONFIRMED:
        if all(state is TaskState.DONE for state in states):
            yield Entry("done", _("Payment"), _("Taken"), _last(payments))
        elif any(task.refused for task in payments):
            yield Entry("failed", _("Payment"), _("Refused; we will be in touch with you about it"))
        elif TaskState.CANCELLED in states:
            yield Entry("waiting", _("Payment"), _("Still open; we will be in touch with you about it"))
        elif TaskState.FAILED in states:
            yield Entry("waiting", _("Payment"), _("Takes longer than usual; we look after it, you need do nothing"))
        elif any(task.paused for task in payments):
            yield Entry("waiting", _("Payment"), _("Will be taken as soon as we can; you need do nothing"))
        else:
            yield Entry("running", _("Payment"), _("In progress; you need do nothing"))


def _work(task: TaskView, order_state: OrderState, systems: Systems) -> Entry:
    """Return the entry of work that isn't money, in the words of its system."""
    system, title = systems.get(task.system), systems.text(systems.title_of(task.system), current())
    words = system.progress if system else Progress()
    if order_state is OrderState.COMPENSATING:
        return Entry("undoing", title, _("Being undone"))
    if order_state is OrderState.CANCELLED:
        return Entry("undone", title, _("Undone, or never done"))
    if task.state is TaskState.DONE:
        return Entry("done", title, systems.text(words.done, current()), task.at)
    if task.state in (TaskState.FAILED, TaskState.CANCELLED):
        return Entry("waiting", title, systems.text(words.delayed, current()))
    return Entry("waiting" if task.paused else "running", title, systems.text(words.under_way, current()))


def _messages(order: OrderView) -> tuple[str, str, str] | None:
    """Return what the messages come to: one that is still being sent counts before one that was; None without any."""
    messages = _told(order)
    states = {task.state for task in messages}
    if not states or order.state is not OrderState.CONFIRMED:
        return None
    being_sent = {task.state for task in messages if not task.paused} & {TaskState.WAITING, TaskState.RUNNING}
    if being_sent and TaskState.FAILED not in states:
        return MESSAGES[TaskState.WAITING]
    for state in (TaskState.FAILED, TaskState.DONE):
        if state in states:
            return MESSAGES[state]
    return MESSAGES_PAUSED if TaskState.WAITING in states else MESSAGES[TaskState.CANCELLED]


def _told(order: OrderView) -> list[TaskView]:
    return [task for task in order.tasks if task.kind is TaskKind.NOTIFY and task.news is News.CONFIRMED]


def _last(tasks: Sequence[TaskView]) -> dt.datetime | None:
    return max((task.at for task in tasks if task.at), default=None)
