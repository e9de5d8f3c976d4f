"""Staff pause systems, use them again, and close a circuit by hand."""

import json

import pytest

from orderapp.models import Circuit, Role, SystemSwitch, db_now
from orderapp.services.db.transactions import writing


def test_a_system_is_paused_and_resumed_with_reasons(rows, logged_in):
    browser = logged_in(Role.OPERATOR)
    for mode, reason in (("paused", "it lies"), ("compensate_only", "half well"), ("on", "well again")):
        assert browser.post("/admin/systems/coupon/switch", mode=mode, reason=reason).status_code == 303
        switch = rows.read(SystemSwitch, "coupon")
        assert (switch.mode, switch.reason) == (mode, reason)
        if mode != "on":
            assert reason in browser.get("/admin/").text
    assert [json.loads(entry.details)["before"] for entry in rows.audit("system.switch") if not entry.refused] == [
        "on",
        "paused",
        "compensate_only",
    ]
    browser.post("/admin/systems/coupon/switch", mode="on", reason="once more")
    assert "in this mode already" in browser.get("/admin/").text
    assert len([entry for entry in rows.audit("system.switch") if not entry.refused]) == 3


@pytest.mark.parametrize(("path", "mode", "status"), [("nonesuch", "paused", 404), ("coupon", "off", 400)])
def test_unknown_systems_and_modes_are_refused(logged_in, everything, path, mode, status):
    browser = logged_in(Role.OPERATOR)
    before = everything()
    assert browser.post(f"/admin/systems/{path}/switch", mode=mode, reason="try").status_code == status
    assert everything() == before


def test_a_failing_system_is_shown_with_its_reason_and_used_again_by_hand(rows, logged_in):
    moments = {"changed_at": db_now(-90), "probe_at": db_now(30), "order_probe_at": db_now(), "check_at": db_now()}
    reason = "8 of its newest 10 calls failed; the last: gave no answer in time"
    with writing() as session:
        session.add(
            Circuit(system="coupon", state="open", reason=reason, probe_pause_seconds=4, pulled_task_id=0, **moments)
        )
    browser = logged_in(Role.OPERATOR)
    page = browser.get("/admin/").text
    assert "A task tries it again in 30 s." in page or "A task tries it again in 29 s." in page
    assert reason in page
    assert "Use again now" in browser.get("/admin/systems/coupon").text
    assert browser.post("/admin/systems/coupon/switch", mode="on", reason="they called").status_code == 303
    assert "what waits for it is being pulled forward" in browser.get("/admin/").text
    [entry] = rows.audit("system.switch")
    assert json.loads(entry.details)["circuit_before"] == "open"
