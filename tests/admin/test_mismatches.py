"""What staff see of mismatches, and having them corrected."""

import json

import pytest
from sqlalchemy import select

from orderapp.domain.states import MismatchState, OrderState, TaskKind, TaskState
from orderapp.models import Mismatch, Placement, Reconciliation, Role, Task, db_now
from orderapp.services.db.transactions import reading, writing
from tests.admin.conftest import apart_from_refusals


@pytest.fixture
def mismatch(rows):
    """Writes mismatches of settlements that are missing: of orders that are confirmed and settled."""

    def write(**values):
        task = rows.read(Task, rows.task(TaskState.DONE, TaskKind.SETTLE))
        with writing() as session:
            placement_id = session.scalars(select(Placement.id).where(Placement.order_id == task.order_id)).one()
            seen = {"seen": 1, "found_at": db_now(), "last_seen_at": db_now()}
            what = {"kind": "missing effect", "ours": "task done", "theirs": "absent", "correction": "do"}
            row = Mismatch(
                **{
                    "order_id": task.order_id,
                    "placement_id": placement_id,
                    "system": task.system,
                    "key": task.key,
                    "state": MismatchState.OPEN.value,
                    **seen,
                    **what,
                    **values,
                }
            )
            session.add(row)
            session.flush()
            return row.id

    return write


def correct(browser, *mismatch_ids, **more):
    return browser.post("/admin/mismatches/correct", mismatch=list(mismatch_ids), reason="the system lost it", **more)


def test_nothing_is_shown_where_nothing_is_wrong(rows, logged_in):
    order_id = rows.order()
    browser = logged_in(Role.VIEWER)
    page = browser.get(f"/admin/orders/{rows.number(order_id)}").text
    assert '<h2 id="mismatches">' not in page
    assert "All right" in page
    assert "The systems have not been asked yet" in browser.get("/admin/").text
    assert "No such mismatches" in browser.get("/admin/mismatches/?state=open").text


def test_a_mismatch_is_shown_in_the_list_on_its_orders_page_and_on_the_first_page(rows, mismatch, logged_in):
    mismatch_id = mismatch(theirs="absent <b>")
    number = rows.number(rows.read(Mismatch, mismatch_id).order_id)
    counts = {"orders": 1234, "in_progress": 0, "effects": 1, "unaskable": 0, "not_checked": 2, "differences": 1}
    with writing() as session:
        moments = {"started_at": db_now(-60), "since_at": db_now(-86_460), "finished_at": db_now()}
        session.add(Reconciliation(id=1, counts=json.dumps(counts), fencing=1, **moments))
    browser = logged_in(Role.VIEWER)
    first = " ".join(browser.get("/admin/").text.split())
    assert ">1 mismatch</a>: a system says otherwise than our ledger" in first
    assert "1,234 orders, 1 difference, 2 effects could not be checked." in first
    listed = browser.get("/admin/mismatches/?state=open&kind=missing+effect&system=settlement").text
    for words in (
        number,
        "missing effect",
        "Our ledger: task done<br>It says: absent &lt;b&gt;",
        "Do it again under its key",
    ):
        assert words in listed
    assert "Correct selected" not in listed, "a viewer only looks"
    page = browser.get(f"/admin/orders/{number}").text
    assert "A system says otherwise" in page
    assert "Without it: All right." in page
    assert "Settlement: missing effect. Our ledger says: task done; it says: absent &lt;b&gt;." in page
    assert "The system says: absent &lt;b&gt;" in page[page.index('id="effects"') :], "the ledger shows it as well"
    assert browser.get("/admin/mismatches/?state=lost").status_code == 400


def test_an_operator_has_a_mismatch_corrected_once(rows, mismatch, logged_in):
    mismatch_id = mismatch()
    row = rows.read(Mismatch, mismatch_id)
    back = f"/admin/orders/{rows.number(row.order_id)}"
    browser = logged_in(Role.OPERATOR)
    page = browser.get(back).text
    assert "Settlement is called again under the same key" in page
    answer = correct(browser, mismatch_id, back=back)
    assert answer.location == back
    page = browser.get(back).text
    assert f"The correction of mismatch {mismatch_id} is ordered." in page
    assert "Its correction is ordered <span" in page
    mismatch_now = rows.read(Mismatch, mismatch_id)
    task = rows.read(Task, mismatch_now.task_id)
    assert (mismatch_now.state, task.kind, task.state, task.key) == ("correcting", "settle", "waiting", row.key)
    correct(browser, mismatch_id, back=back)
    assert "its correction is under way." in browser.get(back).text
    [entry] = [entry for entry in rows.audit("mismatch.correct") if not entry.refused]
    assert (entry.actor, entry.subject, entry.reason) == (
        "operator@example.com",
        f"mismatch {mismatch_id}",
        "the system lost it",
    )
    assert json.loads(entry.details) == {"correction": "do", "system": "settlement", "key": row.key, "task": task.id}
    with reading() as session:
        assert len(session.scalars(select(Task)).all()) == 1


def test_of_a_selection_each_mismatch_has_its_result(rows, mismatch, logged_in):
    ids = [mismatch(), mismatch(state=MismatchState.GONE.value), mismatch(correction="")]
    browser = logged_in(Role.OPERATOR)
    answer = correct(browser, *ids)
    page = browser.get(answer.location).text
    assert "1 of 3 done" in page
    assert f"The correction of mismatch {ids[0]} is ordered." in page
    assert f"Mismatch {ids[1]} can&#39;t be corrected: it is gone." in page
    assert f"Mismatch {ids[2]} can&#39;t be corrected: there is nothing to do but to look again." in page
    assert f'href="/admin/orders/{rows.number(rows.read(Mismatch, ids[2]).order_id)}#mismatch-{ids[2]}"' in page


def test_a_mismatch_whose_order_was_cancelled_meanwhile_is_refused(rows, mismatch, logged_in, everything):
    mismatch_id = mismatch(ours="task waiting")
    browser = logged_in(Role.OPERATOR)
    token = browser.token()
    before = everything()
    fields = {"csrf_token": token, "mismatch": mismatch_id, "reason": "why", "back": "/admin/mismatches/"}
    assert browser.send("/admin/mismatches/correct", fields).status_code == 303
    assert apart_from_refusals(everything()) == apart_from_refusals(before)
    assert "its order has gone on since it was found" in browser.get("/admin/mismatches/").text


@pytest.mark.parametrize("fields", [{"mismatch": "x", "reason": "why"}, {"mismatch": "-1", "reason": "why"}])
def test_what_is_no_mismatch_is_refused(logged_in, fields):
    browser = logged_in(Role.OPERATOR)
    assert browser.post("/admin/mismatches/correct", **fields).status_code == 400


def test_a_correction_needs_a_reason_a_role_and_the_token(rows, mismatch, logged_in):
    mismatch_id = mismatch()
    operator = logged_in(Role.OPERATOR)
    operator.post("/admin/mismatches/correct", mismatch=mismatch_id, reason=" ", back="/admin/mismatches/")
    assert "Say why; it is kept with what was done." in operator.get("/admin/mismatches/").text
    assert operator.send("/admin/mismatches/correct", {"mismatch": mismatch_id, "reason": "why"}).status_code == 400
    assert correct(logged_in(Role.VIEWER), mismatch_id).status_code == 403
    assert rows.read(Mismatch, mismatch_id).state == "open"


def test_cancelling_an_order_is_said_to_do_so_and_decided_alone(rows, mismatch, logged_in):
    mismatch_id, other = mismatch(theirs="undone", correction="cancel"), mismatch()
    row = rows.read(Mismatch, mismatch_id)
    browser = logged_in(Role.OPERATOR)
    path = f"/admin/orders/{rows.number(row.order_id)}"
    listed = browser.get("/admin/mismatches/").text
    assert f'name="mismatch" value="{other}"' in listed
    assert f'name="mismatch" value="{mismatch_id}"' not in listed, "it can't be chosen together with others"
    page = browser.post("/admin/mismatches/preview", mismatch=[mismatch_id, other]).text
    assert "2 were chosen; 1 is left out." in page
    assert "It would cancel the whole order" in page
    correct(browser, mismatch_id, other)
    correct(browser, mismatch_id)
    assert (rows.read(Mismatch, mismatch_id).state, rows.read(Mismatch, other).state) == ("open", "correcting")
    page = browser.get(path).text
    assert "The whole order is cancelled" in page
    assert 'name="despite" value="ends-order"' in page
    correct(browser, mismatch_id, despite="ends-order")
    with reading() as session:
        tasks = session.scalars(select(Task).where(Task.kind == "compensate", Task.order_id == row.order_id)).all()
    assert sorted(task.system for task in tasks) == ["inventory", "settlement"]
    assert rows.read(Mismatch, mismatch_id).task_id is None
    assert OrderState.COMPENSATING.value in browser.get(path).text


def test_a_refused_selection_of_mismatches_comes_back_as_it_was_entered(mismatch, logged_in):
    mismatch_id = mismatch()
    answer = logged_in(Role.OPERATOR).post("/admin/mismatches/correct", mismatch=mismatch_id, reason="", previewed="1")
    assert answer.status_code == 400
    assert f'type="hidden" name="mismatch" value="{mismatch_id}"' in answer.text
