"""Webhooks in the back office: what waits, what was sent and answered, and what staff can do about it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import insert, select, update

from orderapp.models import AuditEntry, Delivery, Event, Role, Task, WebhookSubscription, db_now
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.services.db.transactions import reading, writing
from orderapp.services.saga.events import new_uid
from orderapp.services.webhooks import subscriptions
from orderapp.services.webhooks.distribute import distribute
from tests.admin.conftest import Browser
from tests.admin.rows import Rows


def tell(order_id: uuid.UUID, *types: str) -> None:
    """Write events of an order, and have them distributed."""
    same = {"order_id": order_id, "state": "confirmed", "placement_number": 1, "total_minor": 1000, "details": "{}"}
    with writing() as session:
        for sequence, one in enumerate(types, start=1):
            row = {**same, "uid": new_uid(), "sequence": sequence, "type": one, "at": db_now()}
            session.execute(insert(Event).values(row))
    distribute()


def found(model: Any, **wanted: object) -> list[Any]:
    with reading() as session:
        return list(session.scalars(select(model).filter_by(**wanted).order_by(model.id)))


@pytest.fixture
def order_id(app: Flask, rows: Rows) -> uuid.UUID:
    """An order with two events for a subscriber on this machine."""
    settings = app.extensions["orderapp.settings"]
    subscriptions.add("http://127.0.0.1:9/hooks", ["*"], COMMAND_LINE, settings)
    order_id = rows.order()
    tell(order_id, "order.placed", "order.confirmed")
    return order_id


def test_the_page_shows_subscriptions_and_deliveries(order_id: uuid.UUID, logged_in: Callable[[Role], Browser]) -> None:
    viewer = logged_in(Role.VIEWER)
    page = viewer.get("/admin/webhooks/").text
    assert "http://127.0.0.1:9<" in page
    assert "/hooks<" not in page, "the rest of an address is often a secret"
    assert found(WebhookSubscription)[0].secret not in page
    for event in found(Event):
        assert event.type in page
        assert event.uid in page
    assert page.count("badge-waiting") == 2
    assert f"/admin/tasks/{found(Task, kind='job')[0].id}" in page
    assert "Resend" not in page
    assert "Resume" not in page
    assert viewer.get("/admin/webhooks/?state=delivered&webhook=1").status_code == 200
    for wrong in ("state=sent", "webhook=x", "webhook=99999999999999999999", "more=1"):
        assert viewer.get(f"/admin/webhooks/?{wrong}").status_code == 400
    assert "Resend" in logged_in(Role.OPERATOR).get("/admin/webhooks/").text


def test_an_operator_resends_and_gives_up(order_id: uuid.UUID, logged_in: Callable[[Role], Browser]) -> None:
    first, second = found(Delivery)
    operator = logged_in(Role.OPERATOR)
    path = "/admin/webhooks/deliveries"
    assert operator.post(f"{path}/{second.id}/resend", reason="hurry").status_code == 303
    assert "An earlier event of the same order waits." in operator.get("/admin/webhooks/").text
    assert found(Delivery)[1].tasks == 0
    assert operator.post(f"{path}/{first.id}/resend", reason="they are back").status_code == 303
    assert "It is sent now" in operator.get("/admin/webhooks/").text
    assert [task.key for task in found(Task, kind="job")] == [f"{first.id}.1", f"{first.id}.2"]
    assert operator.post(f"{path}/{first.id}/skip", reason="they can't read it").status_code == 303
    assert [one.state for one in found(Delivery)] == ["dropped", "waiting"]
    assert found(Delivery)[1].tasks == 1
    kept = [
        (entry.act, entry.order_id, entry.refused is None) for entry in found(AuditEntry) if "delivery" in entry.act
    ]
    assert kept == [
        ("delivery.resend", None, False),
        ("delivery.resend", order_id, True),
        ("delivery.skip", order_id, True),
    ]


def test_a_viewer_changes_nothing(order_id: uuid.UUID, logged_in: Callable[[Role], Browser]) -> None:
    viewer = logged_in(Role.VIEWER)
    for path in ("deliveries/1/resend", "deliveries/1/skip", "1/pause", "1/resume"):
        assert viewer.post(f"/admin/webhooks/{path}", reason="why not").status_code == 403
    assert [one.state for one in found(Delivery)] == ["waiting", "waiting"]
    assert found(WebhookSubscription)[0].paused_at is None


def test_an_operator_pauses_and_resumes_and_the_overview_says_so(
    order_id: uuid.UUID, logged_in: Callable[[Role], Browser]
) -> None:
    operator = logged_in(Role.OPERATOR)
    assert "Webhook 1" not in operator.get("/admin/").text
    assert operator.post("/admin/webhooks/1/pause", reason="they move").status_code == 303
    overview = operator.get("/admin/").text
    assert "is paused: <bdi>operator@example.com: they move</bdi>. 2 events wait." in overview
    assert operator.post("/admin/webhooks/1/resume", reason="they have moved").status_code == 303
    assert "Webhook 1 is resumed" in operator.get("/admin/webhooks/").text
    assert "Webhook 1" not in operator.get("/admin/").text
    with writing() as session:
        session.execute(update(WebhookSubscription).values(failing_since=db_now(-3600)))
    assert "has failed since" in operator.get("/admin/").text


def test_the_metrics_count_them(app: Flask, order_id: uuid.UUID) -> None:
    metrics = app.test_client().get("/metrics").text
    assert 'orderapp_webhooks{state="active"} 1.0' in metrics
    assert 'orderapp_webhooks{state="paused"} 0.0' in metrics
    assert "orderapp_waiting_deliveries 2.0" in metrics
