"""`flask reconcile`: what the systems say against what our rows say."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import requests
from flask import Flask
from sqlalchemy import update

from orderapp.domain.states import OrderState
from orderapp.models import Order, Reconciliation, db_now
from orderapp.services.db.transactions import writing
from orderapp.services.orders.cancel import cancel_order
from orderapp.services.orders.views import OrderView
from tests.cli.conftest import Run, settings_of
from tests.sandbox.calls import INVENTORY, SETTLEMENT
from tests.sandbox.running import RunningSandbox

Place = Callable[..., OrderView]
COUPON = "WELCOME10"


def redeem(sandbox: RunningSandbox, order: OrderView, key: str) -> None:
    """Redeem a coupon behind the order service's back."""
    body = {"code": COUPON, "order_ref": order.number, "reference": key, "customer_ref": "C-1"}
    requests.post(f"{sandbox.url('coupon')}/v1/redemptions", json=body, timeout=5).raise_for_status()


def test_orders_whose_effects_are_as_recorded_show_no_difference(
    app: Flask, run: Run, place: Place, run_tasks: Callable[[], None], sandbox: RunningSandbox
) -> None:
    place("plain")
    place("with-coupon", coupon=COUPON)
    cancelled = place("to-cancel", coupon=COUPON)
    sandbox.set("stock", "TEA-GREEN", 0)
    assert place("refused").state is OrderState.FAILED
    run_tasks()
    with app.app_context():
        cancel_order(cancelled.id, settings_of(app))
    run_tasks()

    result = run("reconcile")

    assert result.exit_code == 0, result.output
    assert result.stdout == (
        "orders compared: 4, effects: 9, mismatches: 0, could not be checked: 0; left out, still in progress: 0\n"
    )


def test_an_effect_that_is_gone_is_missing(
    run: Run, place: Place, run_tasks: Callable[[], None], sandbox: RunningSandbox
) -> None:
    order = place("order-1")
    run_tasks()
    for keyed in (INVENTORY, SETTLEMENT):
        keyed.cancel(sandbox, f"{order.number}:1:{keyed.system}").raise_for_status()

    result = run("reconcile", "--since", "90m")

    assert result.exit_code == 1
    assert result.stdout.splitlines()[:2] == [
        f"{order.number}  inventory  {order.number}:1:inventory  missing effect: "
        "we believe: step done; the system says: undone",
        f"{order.number}  settlement  {order.number}:1:settlement  missing effect: "
        "we believe: task done; the system says: undone",
    ]
    assert "mismatches: 2, could not be checked: 0;" in result.stdout


def test_an_effect_that_nobody_recorded_is_an_orphan(run: Run, place: Place, sandbox: RunningSandbox) -> None:
    sandbox.set("stock", "TEA-GREEN", 0)
    order = place("order-1", coupon=COUPON)
    assert order.state is OrderState.FAILED
    redeem(sandbox, order, f"{order.number}:1:coupon")

    result = run("reconcile")

    assert result.exit_code == 1
    assert result.stdout.splitlines()[0] == (
        f"{order.number}  coupon  {order.number}:1:coupon  orphan effect: "
        "we believe: step planned; the system says: in place"
    )


def test_an_effect_that_is_there_twice_is_in_a_wrong_state(
    run: Run, place: Place, run_tasks: Callable[[], None], sandbox: RunningSandbox
) -> None:
    order = place("order-1", coupon=COUPON)
    run_tasks()
    redeem(sandbox, order, f"{order.number}:1:coupon")

    result = run("reconcile")

    assert result.exit_code == 1
    assert "wrong state: we believe: step done; the system says: in place, 2 times" in result.stdout


def test_a_settlement_that_staff_have_given_up_stays_counted(
    run: Run, place: Place, run_tasks: Callable[[], None], sandbox: RunningSandbox
) -> None:
    sandbox.fault("settlement", "refuses")
    order = place("order-1")
    run_tasks()
    failed = run("tasks", "list", "--state", "failed").stdout.splitlines()[1].split()[0]
    assert "still in progress: 1" in run("reconcile").stdout
    assert run("tasks", "cancel", failed, "--reason", "settled by hand").exit_code == 0

    result = run("reconcile")

    assert result.exit_code == 1
    assert f"{order.number}:1:settlement  missing effect: we believe: settlement given up;" in result.stdout


def test_what_a_system_does_not_say_clearly_could_not_be_checked(
    run: Run, place: Place, run_tasks: Callable[[], None], sandbox: RunningSandbox
) -> None:
    for number in range(5):
        place(f"order-{number}")
    run_tasks()
    sandbox.fault("inventory", "error_before")

    result = run("reconcile")

    assert result.exit_code == 1
    lines = [line for line in result.stdout.splitlines() if "could not be checked: we believe" in line]
    assert len(lines) == 5
    assert "step done; the system says: answered 500" in lines[0]
    assert lines[-1].endswith("the system says: not asked any more, after several unclear answers")
    assert "orders compared: 5, effects: 5, mismatches: 0, could not be checked: 5;" in result.stdout
    assert sandbox.faults()["inventory"]["disturbed"] == 3


def test_an_order_that_is_still_in_progress_is_left_out(run: Run, place: Place, sandbox: RunningSandbox) -> None:
    place("order-1")

    result = run("reconcile")

    assert result.exit_code == 0
    assert "orders compared: 0, effects: 0" in result.stdout
    assert "still in progress: 1" in result.stdout


def test_a_notification_that_waits_does_not_keep_an_order_from_being_compared(
    run: Run, place: Place, run_tasks: Callable[[], None], sandbox: RunningSandbox
) -> None:
    sandbox.fault("sms", "refuses")
    place("order-1", phone="+4930901820")
    run_tasks()

    assert "orders compared: 1, effects: 2, mismatches: 0" in run("reconcile").stdout


def test_orders_before_the_period_are_left_alone(
    app: Flask, run: Run, place: Place, run_tasks: Callable[[], None], sandbox: RunningSandbox
) -> None:
    order = place("order-1")
    run_tasks()
    INVENTORY.cancel(sandbox, f"{order.number}:1:inventory").raise_for_status()
    with app.app_context(), writing() as session:
        session.execute(update(Order).values(created_at=db_now(-7200)))

    assert run("reconcile", "--since", "1h").exit_code == 0
    assert run("reconcile", "--since", "3h").exit_code == 1
    assert run("reconcile").exit_code == 1


def test_more_orders_than_are_read_at_a_time_are_all_compared_once(
    app: Flask, run: Run, place: Place, run_tasks: Callable[[], None]
) -> None:
    for number in range(110):
        place(f"order-{number}")
    run_tasks()
    with app.app_context(), writing() as session:
        # All in one moment: the order of their numbers decides.
        session.execute(update(Order).values(created_at=db_now(-60)))

    assert run("reconcile").stdout.startswith("orders compared: 110, effects: 220, mismatches: 0")


def test_a_run_that_another_process_holds_is_told_in_one_line_and_one_that_died_is_gone_on_with(
    app: Flask, run: Run, place: Place, run_tasks: Callable[[], None], sandbox: RunningSandbox
) -> None:
    order = place("order-1")
    run_tasks()
    INVENTORY.cancel(sandbox, f"{order.number}:1:inventory").raise_for_status()
    assert run("reconcile").exit_code == 1
    with app.app_context(), writing() as session:
        session.execute(update(Reconciliation).values(finished_at=None, lease_until=db_now(60)))

    held = run("reconcile")

    assert held.exit_code == 1
    assert held.stdout == ""
    assert held.stderr == (
        "Error: A reconciliation is under way already. Nothing was done; look again when it has ended.\n"
    )
    with app.app_context(), writing() as session:
        session.execute(update(Reconciliation).values(lease_until=db_now(-1)))

    resumed = run("reconcile", "--since", "1h")

    assert resumed.exit_code == 1
    assert resumed.stderr.startswith("going on with the run begun at 20")
    assert "of which 1 are compared" in resumed.stderr
    assert f"{order.number}:1:inventory  missing effect" in resumed.stdout, "what was found before is told again"
    assert "orders compared: 1, effects: 2, mismatches: 1," in resumed.stdout


@pytest.mark.parametrize("period", ["0h", "-1h", "1", "1w", "h", "1.5h", "99999d", "24h\n", "٣h", "", "1e3h"])
def test_a_period_that_is_none_is_refused_with_one_line(run: Run, period: str) -> None:
    result = run("reconcile", f"--since={period}")
    assert result.exit_code == 1
    assert "is no period such as 90m, 24h or 7d" in result.stderr
    assert result.stderr.count("\n") == 1
