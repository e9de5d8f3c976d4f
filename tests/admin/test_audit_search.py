"""The audit is searched by order, and says what came of each act, and where it came from."""

from __future__ import annotations

from collections.abc import Callable

from orderapp.models import Role, Task
from tests.admin.conftest import Browser
from tests.admin.rows import Rows


def test_the_audit_finds_the_acts_on_an_order_and_says_what_came_of_them(
    rows: Rows, logged_in: Callable[[Role], Browser]
) -> None:
    operator = logged_in(Role.OPERATOR)
    task_id, other = rows.task(), rows.task()
    for one in (task_id, task_id, other):
        operator.post("/admin/tasks/requeue", task=one, reason=f"again {one}!")
    operator.post("/admin/tasks/cancel", task=task_id, reason="gone")
    operator.post("/admin/tasks/cancel", task=task_id, reason="gone twice")
    number = rows.number(rows.read(Task, task_id).order_id)
    assert f'href="/admin/audit/?search={number}"' in operator.get(f"/admin/orders/{number}").text
    page = operator.get(f"/admin/audit/?search={number.lower()}").text
    assert f"again {task_id}!" in page
    assert f"again {other}!" not in page
    assert "it is given up already" in page
    assert "127.0.0.0/24" in page
    for path in ("audit/?search=a%00b", "audit/?search=x&colour=red"):
        assert operator.get(f"/admin/{path}").status_code == 400
    assert "Nobody has done anything yet" in operator.get("/admin/audit/?search=nonesuch").text
