"""What staff read of work that waits for its system: why, what goes on meanwhile, and that it isn't the workers."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update

from orderapp.domain.states import OrderState, StepState, TaskKind, TaskState
from orderapp.models import Attempt, Circuit, CircuitState, RateSlot, Role, SkippedItem, Step, SwitchMode, Task, db_now
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.services.db.transactions import writing
from orderapp.services.resilience import switches
from tests.admin.conftest import Browser
from tests.admin.rows import Rows

LONG_AGO = {"due_at": db_now(-900), "publish_at": db_now(-900)}
TAGS = re.compile(r"<[^>]*>")


@pytest.fixture
def operator(logged_in: Callable[[Role], Browser]) -> Browser:
    return logged_in(Role.OPERATOR)


@pytest.fixture
def switch(settings: Any) -> Callable[[str, SwitchMode], None]:
    """Switches a system as staff do."""

    def to(system: str, mode: SwitchMode) -> None:
        switches.switch_system(system, mode, COMMAND_LINE, "they move house", settings)

    return to


def words(browser: Browser, path: str) -> str:
    """A page as it is read: without tags, in single blanks."""
    return " ".join(html.unescape(TAGS.sub("", browser.get(f"/admin/{path}").text)).split())


def fail(system: str, state: CircuitState = CircuitState.OPEN, **values: Any) -> None:
    """Let a system's circuit not be closed."""
    moments = {"changed_at": db_now(-90), "probe_at": db_now(30), "order_probe_at": db_now(), "check_at": db_now()}
    reason = "8 of its newest 10 calls failed"
    with writing() as session:
        kept = {"reason": reason, "probe_pause_seconds": 4, "pulled_task_id": 0, **moments, **values}
        session.add(Circuit(system=system, state=state.value, **kept))


def ask_to_wait(system: str) -> None:
    with writing() as session:
        session.add(RateSlot(system=system, next_call_at=db_now(), tasks_held_until=db_now(125)))


def forget(task_id: int) -> None:
    """Let a task be of a system that the running version doesn't know."""
    with writing() as session:
        session.execute(update(Task).where(Task.id == task_id).values(system="bygone"))


@pytest.mark.parametrize(
    ("kind", "hold", "told", "overview"),
    [
        (TaskKind.SETTLE, "paused", "Settlement is paused: they move house", "Settlement is paused"),
        (TaskKind.SETTLE, "compensate_only", "Settlement only gives back: they move", "Settlement only gives back"),
        (TaskKind.SETTLE, "failing", "Settlement fails at present; one task at a time tries it.", "Settlement fails"),
        (TaskKind.SETTLE, "held", "Settlement asked not to be called for 2 min", "Settlement asked to wait"),
        (TaskKind.NOTIFY, "unknown", "the running version doesn't know bygone", "bygone isn't known"),
        (TaskKind.COMPENSATE, "paused", "Stock is paused: they move house", "Stock is paused"),
    ],
)
def test_each_page_names_what_a_due_task_waits_for(
    rows: Rows, operator: Browser, switch: Any, kind: TaskKind, hold: str, told: str, overview: str
) -> None:
    task_id = rows.task(TaskState.WAITING, kind, **LONG_AGO)
    task = rows.read(Task, task_id)
    {
        "paused": lambda: switch(task.system, SwitchMode.PAUSED),
        "compensate_only": lambda: switch(task.system, SwitchMode.COMPENSATE_ONLY),
        "failing": lambda: fail(task.system),
        "held": lambda: ask_to_wait(task.system),
        "unknown": lambda: forget(task_id),
    }[hold]()
    number = rows.number(task.order_id)
    for path in (f"tasks/{task_id}", "tasks/", f"orders/{number}"):
        assert f"Waits because {told}" in words(operator, path), path
    page = words(operator, "")
    # Nothing that looks like dead workers: what can't run isn't late.
    assert f"–none is due; not counted: what waits because {overview}" in page
    assert "stat-warn" not in operator.get("/admin/").text


def test_what_is_given_back_goes_on_while_a_system_only_gives_back(rows: Rows, operator: Browser, switch: Any) -> None:
    task_id = rows.task(TaskState.WAITING, TaskKind.COMPENSATE, **LONG_AGO)
    switch("inventory", SwitchMode.COMPENSATE_ONLY)
    assert "Waits because" not in words(operator, f"tasks/{task_id}")
    assert f'<a href="/admin/tasks/{task_id}">Oldest due task</a>' in operator.get("/admin/").text
    assert "stat-warn" in operator.get("/admin/").text


@pytest.mark.parametrize(
    ("system", "state", "told"),
    [
        (
            "settlement",
            CircuitState.OPEN,
            "Settlement isn't used at present: 8 of its newest 10 calls failed. "
            "Settlements wait; orders are confirmed all the same.",
        ),
        ("settlement", CircuitState.HALF_OPEN, "Settlement is being tried again: 8 of its newest 10 calls failed."),
        ("email", CircuitState.OPEN, "Its messages wait; orders are confirmed all the same."),
        ("inventory", CircuitState.OPEN, "New orders fail, but for one at a time that tries it."),
        ("coupon", CircuitState.OPEN, "all others are placed as ever."),
    ],
)
def test_an_open_circuit_says_what_waits(operator: Browser, system: str, state: CircuitState, told: str) -> None:
    fail(system, state)
    assert told in words(operator, "")


def test_a_lock_out_says_that_somebody_has_to_mend_the_settings(operator: Browser) -> None:
    fail("sms", reason="Text message refuses our credentials (401); mend its address or credentials")
    page = words(operator, "")
    assert "Text message isn't used at present: Text message refuses our credentials (401); mend" in page
    assert "A task tries it again in" in page


def test_before_a_requeue_it_is_said_that_the_system_makes_it_wait(rows: Rows, operator: Browser, switch: Any) -> None:
    settle, email = rows.task(TaskState.FAILED), rows.task(TaskState.FAILED, TaskKind.NOTIFY)
    undo = rows.task(TaskState.FAILED, TaskKind.COMPENSATE)
    switch("email", SwitchMode.PAUSED)
    switch("inventory", SwitchMode.COMPENSATE_ONLY)
    fail("settlement")
    assert "Then it waits because E-mail is paused: they move house" in words(operator, f"tasks/{email}")
    assert "Then it waits because Settlement fails at present" in words(operator, f"tasks/{settle}")
    assert "Then it waits" not in words(operator, f"tasks/{undo}")
    prepared = operator.post("/admin/tasks/operation", act="requeue", task=[settle, email, undo]).location
    preview = words(operator, prepared.removeprefix("/admin/"))
    assert "A repeat waits now: E-mail is paused: they move house" in preview
    assert "A repeat waits now: Settlement fails at present" in preview
    switch("email", SwitchMode.ON)
    assert "Then it waits" not in words(operator, f"tasks/{email}")


@pytest.mark.parametrize("said", ["refused: can't succeed", "answered 401", "no attempts are left"])
def test_a_requeued_task_says_so_and_not_why_it_failed(rows: Rows, operator: Browser, said: str) -> None:
    task_id = rows.task(TaskState.FAILED, last_message=said, attempts=1, claims=1)
    operator.post("/admin/tasks/requeue", task=task_id, reason="mended", back="/admin/tasks/")
    for path in (f"tasks/{task_id}", "tasks/?state=waiting"):
        page = words(operator, path)
        assert "requeued by operator@example.com" in page
        assert said not in page


def test_no_word_is_offered_that_an_unknown_system_would_have_to_act_on(rows: Rows, operator: Browser) -> None:
    settle, undo = rows.task(TaskState.FAILED), rows.task(TaskState.FAILED, TaskKind.COMPENSATE)
    with writing() as session:
        session.execute(update(Step).values(state=StepState.UNKNOWN.value))
    for task_id, offered, refused in ((settle, "happened", "not happened"), (undo, "not happened", "happened")):
        rows.attempt(task_id)
        forget(task_id)
        page = words(operator, f"tasks/{task_id}")
        assert f"Not “mark as {refused}”: there is no system bygone any more that could be called." in page
        assert f'value="{offered.replace(" ", "_")}"' in operator.get(f"/admin/tasks/{task_id}").text
        assert "bygone is called again at once" not in page


@pytest.mark.parametrize(("failed", "waiting", "told"), [(1, 0, "1 failed task;"), (2, 1, "1 waiting task, 2 failed")])
def test_work_of_an_unknown_system_is_counted(
    rows: Rows, operator: Browser, failed: int, waiting: int, told: str
) -> None:
    for state, number in ((TaskState.FAILED, failed), (TaskState.WAITING, waiting)):
        for _ in range(number):
            forget(rows.task(state))
    page = words(operator, "")
    assert f"bygone isn't known to the running version: {told}" in page
    assert "such work has to wait for a version that knows it." in page


@pytest.mark.parametrize(
    ("item", "kind", "times", "told"),
    [
        ("task:{task}", "task", 3, "task {task}, 3 times: ValueError: <b>bold</b>"),
        ("order:{order}", "order", 1, "order {order}, 1 time: ValueError"),
        ("loop:relay", "loop", 2, "loop relay, 2 times"),
    ],
)
def test_what_was_skipped_is_named_with_its_cause(
    rows: Rows, operator: Browser, item: str, kind: str, times: int, told: str
) -> None:
    task_id = rows.task(TaskState.WAITING)
    names = {"task": task_id, "order": rows.number(rows.read(Task, task_id).order_id)}
    moments = {"first_at": db_now(-60), "last_at": db_now(), "again_at": db_now(60)}
    with writing() as session:
        session.add(
            SkippedItem(item=item.format(**names), kind=kind, times=times, cause="ValueError: <b>bold</b>", **moments)
        )
    page = words(operator, "")
    assert "1 item raised an error and was skipped; the rest goes on, and it is tried again from time to time." in page
    assert told.format(**names) in page
    assert "<b>bold</b>" not in operator.get("/admin/").text


@pytest.mark.parametrize("state", list(OrderState))
def test_what_was_answered_401_isnt_said_not_to_have_been_sent(
    rows: Rows, operator: Browser, state: OrderState
) -> None:
    order_id = rows.order(state)
    task_id = rows.task(TaskState.FAILED, TaskKind.SETTLE, order_id)
    rows.attempt(task_id, outcome="not_sent", code="http_401", message="answered 401")
    with writing() as session:
        session.execute(
            update(Attempt).values(exchanges='[{"request": "POST /", "response": "401", "duration_ms": 3}]')
        )
        session.execute(update(Step).values(outcome="not_sent"))
    for path in ("", f"tasks/{task_id}", f"orders/{rows.number(order_id)}"):
        page = words(operator, path).lower()
        assert "not sent" not in page, path
        assert "nothing was sent" not in page, path
    assert "no effect" in words(operator, f"tasks/{task_id}").lower()
