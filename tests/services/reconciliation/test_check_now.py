"""Check now: systems are asked about one order, the answers are kept, and compared once nobody works on it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select, update

from orderapp.domain.states import OrderState
from orderapp.errors import TooManyAttempts, WrongState
from orderapp.models import AuditEntry, Check, Mismatch, RateCounter, Step, SwitchMode, Task, db_now
from orderapp.services.db.audit import Actor
from orderapp.services.db.transactions import reading, writing
from orderapp.services.orders.views import OrderView
from orderapp.services.reconciliation import check_now as checking
from orderapp.services.reconciliation.check_now import check_now
from orderapp.services.resilience.switches import switch_system
from tests.sandbox.running import RunningSandbox
from tests.services.shop import Shop
from tests.services.tampering import COUPON

MIA = Actor(None, "mia@example.com")


def rows(model: type) -> list[Any]:
    with reading() as session:
        return list(session.scalars(select(model).order_by(model.id)))


def wait() -> None:
    """Let the time pass after which the systems may be asked about the order again."""
    with writing() as session:
        session.execute(update(RateCounter).values(window_ends_at=db_now(-1)))


def test_each_system_that_can_be_asked_is_asked_and_its_answer_kept(shop: Shop, confirmed: OrderView) -> None:
    asked = check_now(confirmed.id, None, MIA, shop.settings)
    assert {one.system: one.report.finding.value for one in asked} == {
        "settlement": "in_place",
        "inventory": "in_place",
        "coupon": "in_place",
    }
    assert not any(one.differs for one in asked)
    kept = rows(Check)
    assert sorted(one.system for one in kept) == sorted(one.system for one in asked)
    assert all("GET" in json.loads(one.exchanges)[0]["request"] for one in kept)
    (entry,) = [one for one in rows(AuditEntry) if one.act == "order.check"]
    assert (entry.actor, entry.order_id) == (MIA.name, confirmed.id)
    assert set(json.loads(entry.details).values()) == {"in_place"}
    assert rows(Mismatch) == []


def test_what_differs_is_a_mismatch_at_once_and_only_its_own_answer_resolves_it(
    shop: Shop, confirmed: OrderView, forget: Callable[[str, str], None]
) -> None:
    key = f"{confirmed.number}:1:inventory"
    forget("inventory", key)
    (asked,) = check_now(confirmed.id, "inventory", MIA, shop.settings)
    assert (asked.report.finding.value, asked.differs) == ("absent", True)
    (mismatch,) = rows(Mismatch)
    assert (mismatch.key, mismatch.state, mismatch.kind) == (key, "open", "missing effect")
    wait()
    check_now(confirmed.id, "coupon", MIA, shop.settings)
    assert rows(Mismatch)[0].state == "open", "another effect says nothing about it"


def test_a_mismatch_is_gone_as_soon_as_the_system_agrees(shop: Shop, confirmed: OrderView) -> None:
    with writing() as session:
        step = session.scalars(select(Step).where(Step.order_id == confirmed.id, Step.system == "coupon")).one()
        about = {name: getattr(step, name) for name in ("order_id", "placement_id", "system", "key")}
        told = {"kind": "missing effect", "ours": "step done", "theirs": "absent", "correction": "do"}
        moments = {"found_at": db_now(-90), "last_seen_at": db_now(-90)}
        session.add(Mismatch(**about, **told, **moments, state="open", seen=1))
    check_now(confirmed.id, None, MIA, shop.settings)
    assert rows(Mismatch)[0].state == "gone"


def test_while_work_is_open_the_answers_are_kept_and_nothing_is_judged(
    shop: Shop, confirmed: OrderView, forget: Callable[[str, str], None]
) -> None:
    forget("inventory", f"{confirmed.number}:1:inventory")
    with writing() as session:
        task = session.scalars(select(Task).where(Task.order_id == confirmed.id, Task.kind == "settle")).one()
        values = {"state": "waiting", "due_at": db_now(3600)}
        session.connection().execute(update(Task).where(Task.id == task.id).values(values))
    (asked,) = check_now(confirmed.id, "inventory", MIA, shop.settings)
    assert (asked.report.finding.value, asked.differs) == ("absent", False)
    assert len(rows(Check)) == 1
    assert rows(Mismatch) == []


def test_a_system_is_asked_about_an_order_only_from_time_to_time(
    shop: Shop, sandbox: RunningSandbox, confirmed: OrderView
) -> None:
    check_now(confirmed.id, "coupon", MIA, shop.settings)
    calls = sandbox.faults()["coupon"]["calls"]
    with pytest.raises(TooManyAttempts):
        check_now(confirmed.id, None, Actor(None, "bo@example.com"), shop.settings)
    assert sandbox.faults()["coupon"]["calls"] == calls
    assert len(rows(Check)) == 1
    wait()
    check_now(confirmed.id, "coupon", MIA, shop.settings)
    assert len(rows(Check)) == 2


def test_all_orders_together_ask_a_system_only_so_often(
    shop: Shop, confirmed: OrderView, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "MOST_OF_A_SYSTEM", 1)
    check_now(confirmed.id, "coupon", MIA, shop.settings)
    other = shop.submit(coupon=COUPON).order
    assert other.state is OrderState.CONFIRMED
    with pytest.raises(TooManyAttempts):
        check_now(other.id, "coupon", MIA, shop.settings)


def test_a_paused_system_is_not_asked(shop: Shop, confirmed: OrderView) -> None:
    switch_system("coupon", SwitchMode.PAUSED, MIA, "they move house", shop.settings)
    with pytest.raises(WrongState):
        check_now(confirmed.id, "coupon", MIA, shop.settings)
    assert "coupon" not in {one.system for one in check_now(confirmed.id, None, MIA, shop.settings)}


def test_a_system_without_an_answer_is_told_so_and_holds_nobody(
    shop: Shop, sandbox: RunningSandbox, confirmed: OrderView
) -> None:
    sandbox.fault("coupon", "error_before")
    (asked,) = check_now(confirmed.id, "coupon", MIA, shop.settings)
    assert (asked.report.finding.value, asked.differs) == ("unclear", False)
    (kept,) = rows(Check)
    assert (kept.finding, kept.code) == ("unclear", "internal_error")
    assert rows(Mismatch) == []
