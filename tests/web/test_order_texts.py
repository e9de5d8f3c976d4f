import datetime as dt
import uuid
from dataclasses import replace

import pytest

from orderapp.domain.inputs import Inputs
from orderapp.domain.money import Money
from orderapp.domain.orders import Customer
from orderapp.domain.outcome import Outcome
from orderapp.domain.states import OrderState, StepState, TaskKind, TaskState
from orderapp.services.orders.views import OrderView, StepView, TaskView
from orderapp.services.saga.values import Stopped
from orderapp.systems.registry import Systems
from orderapp.web.order_texts import story_of
from tests.services.scripted import Scripted

SYSTEMS = Systems({"stock": Scripted("stock"), "loyalty": Scripted("loyalty")})
vars(SYSTEMS["stock"])["refusals"] = {"out_of_stock": "Order less of it."}
vars(SYSTEMS["loyalty"])["title"] = "Loyalty points"


def view(state, *, steps=(), tasks=(), stopped=None, ends_as=None):
    now = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)
    return OrderView(
        id=uuid.UUID(int=1),
        number="7K3M9-QXZ2F",
        client_id=None,
        state=state,
        ends_as=ends_as,
        placements=1,
        customer=Customer("Ada", "ada@example.com"),
        inputs=Inputs(),
        lines=(),
        discounts=(),
        subtotal=Money(0, "EUR"),
        total=Money(0, "EUR"),
        created_at=now,
        updated_at=now,
        steps=tuple(StepView(system, step_state, "") for system, step_state in steps),
        tasks=tuple(TaskView(1, kind, "any", task_state, 1) for kind, task_state in tasks),
        stopped=stopped,
    )


def progress(order):
    return [(entry.state, entry.title) for entry in story_of(order, SYSTEMS).progress[1:]]


@pytest.mark.parametrize("state", [OrderState.COMPENSATING, OrderState.CANCELLED])
def test_an_order_that_a_refusal_cancelled_says_so(state):
    stopped = Stopped("stock", Outcome.REFUSED, "out_of_stock")
    story = story_of(view(state, stopped=stopped, ends_as=OrderState.CANCELLED), SYSTEMS)
    assert SYSTEMS["stock"].refusals["out_of_stock"] in story.paragraphs
    assert "cancelled" in story.title


def test_while_it_is_placed_one_part_is_running_and_the_next_waits():
    order = view(OrderState.PLACING, steps=[("stock", StepState.PLANNED), ("loyalty", StepState.PLANNED)])
    assert progress(order) == [("running", "Stock"), ("waiting", "Loyalty points")]
    assert story_of(order, SYSTEMS).moving


def test_a_refusal_is_told_with_what_can_be_done():
    stopped = Stopped("stock", Outcome.REFUSED, "out_of_stock")
    story = story_of(view(OrderState.FAILED, stopped=stopped, ends_as=OrderState.FAILED), SYSTEMS)
    assert any("Order less of it" in text for text in story.paragraphs)
    assert story.can_retry
    assert not story.changing


def test_a_refusal_nobody_wrote_a_sentence_for_is_told_by_the_system_s_title():
    stopped = Stopped("loyalty", Outcome.REFUSED, "points_frozen")
    story = story_of(view(OrderState.FAILED, stopped=stopped), SYSTEMS)
    assert "Loyalty points" in story.paragraphs[0]
    assert "points_frozen" not in " ".join(story.paragraphs)


@pytest.mark.parametrize("outcome", [Outcome.UNKNOWN, Outcome.NOT_SENT])
def test_no_answer_is_never_told_as_a_refusal(outcome):
    story = story_of(view(OrderState.FAILED, stopped=Stopped("stock", outcome, "timeout")), SYSTEMS)
    assert "reliable answer" in story.paragraphs[0]
    assert "timeout" not in " ".join(story.paragraphs)


def test_an_interruption_is_blamed_on_no_system():
    story = story_of(view(OrderState.FAILED, stopped=Stopped("", Outcome.UNKNOWN, "interrupted")), SYSTEMS)
    assert story.paragraphs[0].startswith("Something interrupted us")


def test_while_it_is_undone_nothing_is_charged_and_it_can_t_be_tried_yet():
    order = view(
        OrderState.COMPENSATING,
        steps=[("stock", StepState.DONE), ("loyalty", StepState.UNKNOWN)],
        stopped=Stopped("loyalty", Outcome.UNKNOWN, "timeout"),
        ends_as=OrderState.FAILED,
    )
    story = story_of(order, SYSTEMS)
    assert "Nothing is charged" in " ".join(story.paragraphs)
    assert [entry.state for entry in story.progress[1:]] == ["undoing", "undoing"]
    assert story.moving
    assert not story.can_retry


def test_a_cancelled_order_is_not_told_as_a_failed_one():
    order = view(OrderState.COMPENSATING, ends_as=OrderState.CANCELLED, tasks=[(TaskKind.SETTLE, TaskState.DONE)])
    assert story_of(order, SYSTEMS).title == "Your order is being cancelled"
    assert progress(order) == [("undoing", "Payment")]


@pytest.mark.parametrize(
    ("task_state", "told", "changing"),
    [
        (TaskState.WAITING, "running", True),
        (TaskState.RUNNING, "running", True),
        (TaskState.DONE, "done", False),
        (TaskState.FAILED, "waiting", False),
        (TaskState.CANCELLED, "waiting", False),
    ],
)
def test_the_payment_of_a_confirmed_order_is_told_in_plain_words(task_state, told, changing):
    order = view(OrderState.CONFIRMED, tasks=[(TaskKind.SETTLE, task_state)])
    assert progress(order) == [(told, "Payment")]
    assert story_of(order, SYSTEMS).changing is changing
    assert not story_of(order, SYSTEMS).moving


@pytest.mark.parametrize(
    ("states", "told", "headline"),
    [
        ({TaskState.WAITING}, "running", "is on its way"),
        ({TaskState.RUNNING, TaskState.CANCELLED}, "running", "is on its way"),
        ({TaskState.DONE}, "done", "was sent"),
        ({TaskState.DONE, TaskState.CANCELLED}, "done", "was sent"),
        ({TaskState.DONE, TaskState.FAILED}, "waiting", "couldn't send you the confirmation yet"),
        ({TaskState.CANCELLED}, "failed", "couldn't send you a confirmation"),
    ],
)
def test_the_messages_are_told_by_what_became_of_them(states, told, headline):
    order = view(OrderState.CONFIRMED, tasks=[(TaskKind.NOTIFY, state) for state in states])
    assert progress(order) == [(told, "Confirmation message")]
    assert headline in " ".join(story_of(order, SYSTEMS).paragraphs)
    assert story_of(order, SYSTEMS).changing is (told == "running")


def test_an_order_without_messages_promises_none():
    assert "confirmation" not in " ".join(story_of(view(OrderState.CONFIRMED), SYSTEMS).paragraphs)


def test_a_refused_payment_is_told_as_refused_and_not_as_late():
    (payment,) = view(OrderState.CONFIRMED, tasks=[(TaskKind.SETTLE, TaskState.FAILED)]).tasks
    story = story_of(replace(view(OrderState.CONFIRMED), tasks=(replace(payment, refused=True),)), SYSTEMS)
    assert "payment was refused" in story.title
    assert "Don't order again" in story.paragraphs[0]
    assert story.progress[-1].note.startswith("Refused")
    assert not any("need do nothing" in entry.note for entry in story.progress)


@pytest.mark.parametrize("state", OrderState)
def test_what_can_still_change_is_looked_at_again(state):
    assert story_of(view(state), SYSTEMS).is_last is (state is OrderState.CANCELLED)


@pytest.mark.parametrize("state", OrderState)
def test_no_state_is_told_by_its_internal_name(state):
    story = story_of(view(state), SYSTEMS)
    assert not any(word in " ".join((story.title, *story.paragraphs)) for word in ("compensat", "placement", "task"))


def task(kind, state, **more):
    return TaskView(1, kind, "stock", state, 1, **more)


def told(order):
    """Return all that the page says of an order, in one text."""
    story = story_of(order, SYSTEMS)
    return " ".join((story.title, *story.paragraphs, *(entry.note for entry in story.progress)))


# How a payment stands: the headline, and what the page must and mustn't say with it.
CONFIRMED = "Your order is confirmed"
ALL_WELL, WAITS, IN_TOUCH = "We have all we need from you", "you need do nothing", "we will be in touch with you"
PAYMENTS = [
    ({"state": TaskState.DONE}, CONFIRMED, [ALL_WELL, "Taken"], [IN_TOUCH]),
    ({"state": TaskState.RUNNING}, CONFIRMED, [ALL_WELL, "In progress", WAITS], [IN_TOUCH]),
    ({"state": TaskState.WAITING}, CONFIRMED, [ALL_WELL, "In progress", WAITS], [IN_TOUCH]),
    ({"state": TaskState.WAITING, "paused": True}, CONFIRMED, [ALL_WELL, "as soon as we can"], ["In progress"]),
    ({"state": TaskState.FAILED}, CONFIRMED, [ALL_WELL, "longer than usual"], ["In progress", "efused"]),
    (
        {"state": TaskState.FAILED, "refused": True},
        f"{CONFIRMED}, but the payment was refused",
        ["Don't order again", "write to us", "Refused"],
        [ALL_WELL, WAITS],
    ),
    (
        {"state": TaskState.CANCELLED},
        f"{CONFIRMED}, but the payment is still open",
        ["Don't order again", "write to us", "Still open", IN_TOUCH],
        [ALL_WELL, WAITS, "In progress", "Taken"],
    ),
]
# How a message stands beside it: what is said of it, and what isn't.
SOON, ON_ITS_WAY = "will be sent to you as soon as we can", "on its way to you"
MESSAGES = [
    (None, [], ["confirmation"]),
    ({"state": TaskState.DONE}, ["was sent to you"], [ON_ITS_WAY]),
    ({"state": TaskState.WAITING}, [ON_ITS_WAY], ["was sent"]),
    ({"state": TaskState.WAITING, "paused": True}, [SOON], [ON_ITS_WAY, "was sent"]),
    ({"state": TaskState.FAILED}, ["couldn't send you the confirmation yet"], [ON_ITS_WAY, "was sent"]),
    ({"state": TaskState.CANCELLED}, ["couldn't send you a confirmation"], [ON_ITS_WAY, "was sent", SOON]),
]


@pytest.mark.parametrize(("message", "said_of_it", "not_of_it"), MESSAGES, ids=lambda value: str(value)[:60])
@pytest.mark.parametrize(("payment", "title", "said", "unsaid"), PAYMENTS, ids=lambda value: str(value)[:60])
def test_each_payment_beside_each_message_is_told_as_it_is(
    payment, title, said, unsaid, message, said_of_it, not_of_it
):
    tasks = [task(TaskKind.SETTLE, **payment)] + ([task(TaskKind.NOTIFY, **message)] if message else [])
    order = replace(view(OrderState.CONFIRMED), tasks=tuple(tasks))
    assert story_of(order, SYSTEMS).title == title
    page = told(order)
    assert [text for text in (*said, *said_of_it) if text not in page] == []
    assert [text for text in (*unsaid, *not_of_it) if text in page] == []


RETRY_SOON = "you can try again here"
RETURNS = [
    ({"state": TaskState.WAITING}, ["giving back"], ["couldn't give", "longer than usual", "as soon as we can"]),
    ({"state": TaskState.RUNNING}, ["giving back"], ["couldn't give", "longer than usual", "as soon as we can"]),
    (
        {"state": TaskState.WAITING, "paused": True},
        ["as soon as we can"],
        ["We are giving back", "less than a minute", "Being returned", "Being given back"],
    ),
    (
        {"state": TaskState.FAILED},
        ["longer than usual", "we look after it"],
        ["We are giving back", "less than a minute", "Being returned", "Being given back"],
    ),
    (
        {"state": TaskState.CANCELLED},
        ["couldn't give back all", "write to us", "Couldn't be given back"],
        ["We are giving back", "less than a minute", RETRY_SOON, "Being given back", "Being returned"],
    ),
]


@pytest.mark.parametrize("ends_as", [OrderState.FAILED, OrderState.CANCELLED])
@pytest.mark.parametrize("step", [StepState.DONE, StepState.UNKNOWN])
@pytest.mark.parametrize(("back", "said", "unsaid"), RETURNS, ids=lambda value: str(value)[:60])
def test_what_is_given_back_is_told_as_far_as_it_is(ends_as, step, back, said, unsaid):
    stopped = Stopped("loyalty", Outcome.REFUSED, "no") if ends_as is OrderState.FAILED else None
    order = view(OrderState.COMPENSATING, steps=[("stock", step)], stopped=stopped, ends_as=ends_as)
    payment = (task(TaskKind.SETTLE, TaskState.DONE),) if ends_as is OrderState.CANCELLED else ()
    order = replace(order, tasks=(*payment, task(TaskKind.COMPENSATE, **back)))
    page = told(order)
    assert [text for text in said if text not in page] == []
    assert [text for text in unsaid if text in page] == []
    given_up = back["state"] is TaskState.CANCELLED
    assert (RETRY_SOON in page) is (ends_as is OrderState.FAILED and not given_up)
    assert story_of(order, SYSTEMS).changing is not given_up


def test_what_was_given_up_in_an_earlier_placement_says_nothing_of_this_one():
    old = task(TaskKind.COMPENSATE, TaskState.CANCELLED, is_present=False)
    order = replace(view(OrderState.COMPENSATING, ends_as=OrderState.FAILED), tasks=(old,))
    assert "We are giving back" in told(order)
