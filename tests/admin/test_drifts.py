"""What staff see of drifts, and having them repaired."""

import json

import pytest
from sqlalchemy import select

from orderapp.domain.states import DriftState, OrderState, TaskKind, TaskState
from orderapp.models import Drift, Placement, Reconciliation, Role, Task, db_now
from orderapp.services.db.transactions import reading, writing
from tests.admin.conftest import apart_from_refusals


@pytest.fixture
def drift(rows):
    """Writes drifts of settlements that are missing: of orders that are confirmed and settled."""

    def write(**values):
        task = rows.read(Task, rows.task(TaskState.DONE, TaskKind.SETTLE))
        with writing() as session:
            placement_id = session.scalars(select(Placement.id).where(Placement.order_id == task.order_id)).one()
            seen = {"seen": 1, "found_at": db_now(), "last_seen_at": db_now()}
            what = {"kind": "missing effect", "ours": "task done", "theirs": "absent", "repair": "do"}
            row = Drift(
                **{
                    "order_id": task.order_id,
                    "placement_id": placement_id,
                    "system": task.system,
                    "key": task.key,
                    "state": DriftState.OPEN.value,
                    **seen,
                    **what,
                    **values,
                }
            )
            session.add(row)
            session.flush()
            return row.id

    return write


def repair(browser, *drift_ids, **more):
    return browser.post("/admin/drifts/repair", drift=list(drift_ids), reason="the system lost it", **more)


def test_nothing_is_shown_where_nothing_is_wrong(rows, logged_in):
    order_id = rows.order()
    browser = logged_in(Role.VIEWER)
    page = browser.get(f"/admin/orders/{rows.number(order_id)}").text
    assert '<h2 id="drifts">' not in page
    assert "Confirmed and complete" in page
    assert "The systems have not been asked yet" in browser.get("/admin/").text
    assert "No such drifts" in browser.get("/admin/drifts/?state=open").text


def test_a_drift_is_shown_in_the_list_on_its_orders_page_and_on_the_first_page(rows, drift, logged_in):
    drift_id = drift(theirs="absent <b>")
    number = rows.number(rows.read(Drift, drift_id).order_id)
    counts = {"orders": 1234, "unsettled": 0, "effects": 1, "unaskable": 0, "not_checked": 2, "differences": 1}
    with writing() as session:
        moments = {"started_at": db_now(-60), "since_at": db_now(-86_460), "finished_at": db_now()}
        session.add(Reconciliation(id=1, counts=json.dumps(counts), fencing=1, **moments))
    browser = logged_in(Role.VIEWER)
    first = " ".join(browser.get("/admin/").text.split())
    assert "Open drifts" in first
    assert "1,234 orders, 1 difference, 2 effects could not be checked." in first
    listed = browser.get("/admin/drifts/?state=open&kind=missing+effect&system=settlement").text
    for words in (
        number,
        "missing effect",
        "We believe: task done<br>It says: absent &lt;b&gt;",
        "Do it again under its key",
    ):
        assert words in listed
    assert "Repair selected" not in listed, "a viewer only looks"
    page = browser.get(f"/admin/orders/{number}").text
    assert "By our rows: Confirmed and complete. A system says otherwise." in page
    assert "Settlement: missing effect. We believe: task done; it says: absent &lt;b&gt;." in page
    assert "The system says: absent &lt;b&gt;" in page[page.index('id="books"') :], "the books show it as well"
    assert browser.get("/admin/drifts/?state=lost").status_code == 400


def test_an_operator_has_a_drift_repaired_once(rows, drift, logged_in):
    drift_id = drift()
    row = rows.read(Drift, drift_id)
    back = f"/admin/orders/{rows.number(row.order_id)}"
    browser = logged_in(Role.OPERATOR)
    page = browser.get(back).text
    assert "Settlement is called again under the same key" in page
    answer = repair(browser, drift_id, back=back)
    assert answer.location == back
    page = browser.get(back).text
    assert f"The repair of drift {drift_id} is ordered." in page
    assert ". Its repair is ordered.</h2>" in page
    drift_now = rows.read(Drift, drift_id)
    task = rows.read(Task, drift_now.task_id)
    assert (drift_now.state, task.kind, task.state, task.key) == ("repairing", "settle", "waiting", row.key)
    repair(browser, drift_id, back=back)
    assert "its repair is under way." in browser.get(back).text
    [entry] = [entry for entry in rows.audit("drift.repair") if not entry.refused]
    assert (entry.actor, entry.subject, entry.reason) == (
        "operator@example.com",
        f"drift {drift_id}",
        "the system lost it",
    )
    assert json.loads(entry.details) == {"repair": "do", "system": "settlement", "key": row.key, "task": task.id}
    with reading() as session:
        assert len(session.scalars(select(Task)).all()) == 1


def test_of_a_selection_each_drift_has_its_result(rows, drift, logged_in):
    ids = [drift(), drift(state=DriftState.GONE.value), drift(repair="")]
    browser = logged_in(Role.OPERATOR)
    answer = repair(browser, *ids)
    page = browser.get(answer.location).text
    assert "1 of 3 done" in page
    assert f"The repair of drift {ids[0]} is ordered." in page
    assert f"Drift {ids[1]} can&#39;t be repaired: it is gone." in page
    assert f"Drift {ids[2]} can&#39;t be repaired: there is nothing to do but to look again." in page
    assert f'href="/admin/orders/{rows.number(rows.read(Drift, ids[2]).order_id)}#drift-{ids[2]}"' in page


def test_a_drift_whose_order_was_cancelled_meanwhile_is_refused(rows, drift, logged_in, everything):
    drift_id = drift(ours="task waiting")
    browser = logged_in(Role.OPERATOR)
    token = browser.token()
    before = everything()
    fields = {"csrf_token": token, "drift": drift_id, "reason": "why", "back": "/admin/drifts/"}
    assert browser.send("/admin/drifts/repair", fields).status_code == 303
    assert apart_from_refusals(everything()) == apart_from_refusals(before)
    assert "its order has gone on since it was found" in browser.get("/admin/drifts/").text


@pytest.mark.parametrize("fields", [{"drift": "x", "reason": "why"}, {"drift": "-1", "reason": "why"}])
def test_what_is_no_drift_is_refused(logged_in, fields):
    browser = logged_in(Role.OPERATOR)
    assert browser.post("/admin/drifts/repair", **fields).status_code == 400


def test_a_repair_needs_a_reason_a_role_and_the_token(rows, drift, logged_in):
    drift_id = drift()
    operator = logged_in(Role.OPERATOR)
    operator.post("/admin/drifts/repair", drift=drift_id, reason=" ", back="/admin/drifts/")
    assert "Say why; it is kept with what was done." in operator.get("/admin/drifts/").text
    assert operator.send("/admin/drifts/repair", {"drift": drift_id, "reason": "why"}).status_code == 400
    assert repair(logged_in(Role.VIEWER), drift_id).status_code == 403
    assert rows.read(Drift, drift_id).state == "open"


def test_cancelling_an_order_is_said_to_do_so_and_decided_alone(rows, drift, logged_in):
    drift_id, other = drift(theirs="undone", repair="cancel"), drift()
    row = rows.read(Drift, drift_id)
    browser = logged_in(Role.OPERATOR)
    path = f"/admin/orders/{rows.number(row.order_id)}"
    listed = browser.get("/admin/drifts/").text
    assert f'name="drift" value="{other}"' in listed
    assert f'name="drift" value="{drift_id}"' not in listed, "it can't be chosen together with others"
    page = browser.post("/admin/drifts/preview", drift=[drift_id, other]).text
    assert "2 were chosen; 1 is left out." in page
    assert "It would cancel the whole order" in page
    repair(browser, drift_id, other)
    repair(browser, drift_id)
    assert (rows.read(Drift, drift_id).state, rows.read(Drift, other).state) == ("open", "repairing")
    page = browser.get(path).text
    assert "The whole order is cancelled" in page
    assert 'name="despite" value="ends-order"' in page
    repair(browser, drift_id, despite="ends-order")
    with reading() as session:
        tasks = session.scalars(select(Task).where(Task.kind == "compensate", Task.order_id == row.order_id)).all()
    assert sorted(task.system for task in tasks) == ["inventory", "settlement"]
    assert rows.read(Drift, drift_id).task_id is None
    assert OrderState.COMPENSATING.value in browser.get(path).text


def test_a_refused_selection_of_drifts_comes_back_as_it_was_entered(drift, logged_in):
    drift_id = drift()
    answer = logged_in(Role.OPERATOR).post("/admin/drifts/repair", drift=drift_id, reason="", previewed="1")
    assert answer.status_code == 400
    assert f'type="hidden" name="drift" value="{drift_id}"' in answer.text
