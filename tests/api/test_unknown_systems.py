"""A client's order with a system that the running version doesn't know is shown, and not cancelled."""

from __future__ import annotations

from dataclasses import replace

from flask import Flask

from orderapp.systems.registry import Systems
from tests.api.conftest import ApiClient, assert_problem


def test_it_is_shown_and_not_cancelled(app: Flask, client: ApiClient) -> None:
    order = client.place(coupon="WELCOME10").json["order"]
    settings = app.extensions["orderapp.settings"]
    fewer = {name: system for name, system in settings.systems.items() if name != "coupon"}
    app.extensions["orderapp.settings"] = replace(settings, systems=Systems(fewer))
    problem = assert_problem(client.post(f"/orders/{order['id']}/cancel"), 409, "system_unknown")
    assert "Nothing was changed" in problem["detail"]
    shown = client.get(f"/orders/{order['id']}").json["order"]
    assert (shown["state"], {step["system"] for step in shown["steps"]}) == ("confirmed", {"inventory", "coupon"})
    app.extensions["orderapp.settings"] = settings
    assert client.post(f"/orders/{order['id']}/cancel").status_code == 202
