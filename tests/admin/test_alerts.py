"""The pages of alerts and of the weekly report."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable

import pytest
from sqlalchemy import insert, select

from orderapp.models import AlertRule, Role, WeeklyReport, db_now
from orderapp.services.backoffice.weekly_figures import WeeklyFigures
from orderapp.services.db.transactions import reading, writing
from tests.admin.conftest import Browser
from tests.admin.rows import Rows

FIGURES = WeeklyFigures(
    {"confirmed": 3}, 1, 0, None, None, None, {"coupon": 2}, {}, {"tasks.requeue": 1, "operation.start": 2}, {}, {}
)
Login = Callable[[Role], Browser]


def rules() -> list[AlertRule]:
    with reading() as session:
        return list(session.scalars(select(AlertRule).order_by(AlertRule.id)))


def test_an_admin_adds_changes_and_removes_a_rule(rows: Rows, logged_in: Login) -> None:
    admin = logged_in(Role.ADMIN)
    mine = {"email": "ops@example.com"}
    for form in ({"kind": "not_right", "most": "30"}, {"kind": "at_stake", "most": "99.50", "currency": "eur"}):
        assert admin.post("/admin/alerts/add", **form, **mine).status_code == 303
    assert [(one.kind, one.most, one.currency) for one in rules()] == [
        ("not_right", 1800, None), ("at_stake", 9950, "EUR"),
    ]  # fmt: skip
    page = admin.get("/admin/alerts/").text
    assert "isn&#39;t right for longer than 30 minutes" in page
    assert "worth more than €99.50" in page
    assert admin.post("/admin/alerts/1/change", most="45").status_code == 303
    assert rules()[0].most == 2700
    assert admin.post("/admin/alerts/2/remove").status_code == 303
    assert len(rules()) == 1
    acts = [rows.audit(act) for act in ("alert.add", "alert.change", "alert.remove")]
    assert [len(found) for found in acts] == [2, 1, 1]
    assert "ops@example.com" not in "".join(entry.details for found in acts for entry in found)
    assert "Changed a rule of alerts" in admin.get("/admin/audit/").text


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"kind": "x"}, 400), ({"kind": "breaker", "most": "-1"}, 400), ({"kind": "breaker", "most": "1e5"}, 400),
        ({"kind": "view", "view": "x"}, 400), ({"kind": "view", "view": "9", "most": "1"}, 303),
        ({"kind": "breaker", "email": "nobody"}, 303), ({"kind": "at_stake", "most": "1", "currency": "no"}, 303),
    ],
)  # fmt: skip
def test_what_cant_be_a_rule_is_refused(logged_in: Login, form: dict[str, str], status: int) -> None:
    admin = logged_in(Role.ADMIN)
    assert admin.post("/admin/alerts/add", **{"email": "ops@example.com", **form}).status_code == status
    assert rules() == []
    if status == 303:
        assert "Nothing was changed." in admin.get("/admin/alerts/").text


def test_only_admins_see_alerts_and_everybody_the_report(logged_in: Login) -> None:
    operator = logged_in(Role.OPERATOR)
    assert operator.get("/admin/alerts/").status_code == 403
    assert operator.post("/admin/alerts/add", kind="breaker").status_code == 403
    viewer = logged_in(Role.VIEWER)
    assert "There is none yet." in viewer.get("/admin/reports/").text
    with writing() as session:
        for week in (dt.date(2026, 11, 9), dt.date(2026, 11, 16)):
            kept = {"week": week, "made_at": db_now(), "figures": json.dumps(FIGURES.as_json())}
            session.execute(insert(WeeklyReport).values(kept))
    page = viewer.get("/admin/reports/").text
    assert "Consistency in the week of 2026-11-16 to 2026-11-22" in page
    assert "2 mismatches found" in page
    assert "Selections of tasks requeued" in page
    assert "Operations on many tasks" in page
    assert "week of 2026-11-09" in viewer.get("/admin/reports/?week=2026-11-09").text
    for wrong, status in (("week=x", 400), ("week=2026-11-02", 404), ("other=1", 400)):
        assert viewer.get(f"/admin/reports/?{wrong}").status_code == status
