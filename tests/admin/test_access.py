"""Who may see and do what: every address of the back office, anonymously and as each role."""

from pathlib import Path

import pytest
from sqlalchemy import select

from orderapp.domain.states import TaskKind, TaskState
from orderapp.extensions import db
from orderapp.models import ApiToken, Role, Staff, Task, db_now
from orderapp.services.backoffice.operation_drafts import draft
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.services.db.transactions import writing
from tests.admin.conftest import Browser

PUBLIC = {
    "invitation.accept",
    "invitation.page",
    "looks.choose",
    "office.code",
    "office.login",
    "office.log_in",
    "office.log_in_with_code",
    "office.log_out",
}
# What each endpoint needs. Written out, so that a new one has to be thought about here as well.
LEAST_ROLE = {
    "account.change_password": Role.VIEWER,
    "account.end_others": Role.VIEWER,
    "account.end_session": Role.VIEWER,
    "account.index": Role.VIEWER,
    "admin.index": Role.VIEWER,
    "admin.switch": Role.OPERATOR,
    "alerts.add": Role.ADMIN,
    "alerts.change": Role.ADMIN,
    "alerts.index": Role.ADMIN,
    "alerts.remove": Role.ADMIN,
    "attempts.compare": Role.VIEWER,
    "audit.download": Role.OPERATOR,
    "audit.index_view": Role.VIEWER,
    "audit.page": Role.VIEWER,
    "mismatches.download": Role.OPERATOR,
    "mismatches.index_view": Role.VIEWER,
    "mismatches.preview": Role.OPERATOR,
    "mismatches.correct": Role.OPERATOR,
    "operation_items.download": Role.OPERATOR,
    "operation_items.index_view": Role.VIEWER,
    "orders.cancel": Role.OPERATOR,
    "orders.check": Role.OPERATOR,
    "orders.find": Role.VIEWER,
    "orders.download": Role.OPERATOR,
    "orders.index_view": Role.VIEWER,
    "orders.page": Role.VIEWER,
    "orders.reveal": Role.VIEWER,
    "reports.index": Role.VIEWER,
    "second_factor.begin": Role.VIEWER,
    "second_factor.codes": Role.VIEWER,
    "second_factor.confirm": Role.VIEWER,
    "second_factor.index": Role.VIEWER,
    "second_factor.off": Role.VIEWER,
    "staff.change_role": Role.ADMIN,
    "staff.create": Role.ADMIN,
    "staff.demand_factor": Role.ADMIN,
    "staff.disable": Role.ADMIN,
    "staff.enable": Role.ADMIN,
    "staff.index_view": Role.ADMIN,
    "staff.invite": Role.ADMIN,
    "staff.reset_factor": Role.ADMIN,
    "staff.sign_out": Role.ADMIN,
    "systems.ask": Role.OPERATOR,
    "systems.index": Role.VIEWER,
    "systems.page": Role.VIEWER,
    "systems.try_one": Role.OPERATOR,
    "task_operations.index_view": Role.VIEWER,
    "task_operations.page": Role.VIEWER,
    "task_operations.pause": Role.OPERATOR,
    "task_operations.resume": Role.OPERATOR,
    "task_operations.start": Role.OPERATOR,
    "task_operations.stop": Role.OPERATOR,
    "tasks.cancel": Role.OPERATOR,
    "tasks.download": Role.OPERATOR,
    "tasks.index_view": Role.VIEWER,
    "tasks.mark": Role.OPERATOR,
    "tasks.page": Role.VIEWER,
    "tasks.operation": Role.OPERATOR,
    "tasks.requeue": Role.OPERATOR,
    "tasks.run_now": Role.OPERATOR,
    "tokens.index_view": Role.ADMIN,
    "tokens.revoke": Role.ADMIN,
    "views.delete": Role.VIEWER,
    "views.index": Role.VIEWER,
    "views.save": Role.VIEWER,
    "webhooks.index_view": Role.VIEWER,
    "webhooks.pause": Role.OPERATOR,
    "webhooks.resend": Role.OPERATOR,
    "webhooks.resume": Role.OPERATOR,
    "webhooks.skip": Role.OPERATOR,
}
RANKS = list(Role)
# What whoever may gets where it isn't a page, or leads to one: nobody has this login, and neither attempts, an
# operation, a list, a rule nor a reason are named.
OTHERWISE = {
    "invitation.page": 404,
    "office.code": 302,
    **{f"{name}.download": 200 for name in ("audit", "mismatches", "orders", "tasks")},
    "account.end_session": 404,
    "attempts.compare": 400,
    "operation_items.download": 404,
    "operation_items.index_view": 404,
    "second_factor.begin": 200,
    "second_factor.confirm": 400,
    "task_operations.start": 400,
    "alerts.add": 400,
    "alerts.change": 404,
    "alerts.remove": 404,
    "views.delete": 400,
    "views.index": 302,
    "views.save": 400,
}


def rules(app):
    return [rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/admin")]


@pytest.fixture
def address_of(app, rows, settings):
    """Returns the address of a rule, about things that exist."""
    task_id = rows.task(TaskState.FAILED)
    order_id = rows.order()
    with writing() as session:
        session.add(ApiToken(name="till", token_hash="0" * 64, created_at=db_now()))
    operation_id = draft("requeue", select(Task.id), {}, COMMAND_LINE, settings)
    values = {"number": rows.number(order_id), "name": "coupon", "task_id": task_id} | {
        "entry_id": 1,
        "operation_id": operation_id,
        "row_id": 1,
        "rule_id": 1,
        "view_id": 1,
        "session_id": 999,
        "token": "unknown",
    }

    def address(rule):
        _, path = rule.build({name: value for name, value in values.items() if name in rule.arguments})
        return path

    return address


def test_every_address_is_known_here(app):
    assert {rule.endpoint for rule in rules(app)} == PUBLIC | LEAST_ROLE.keys()


def test_without_a_login_nothing_answers(app, address_of, everything):
    browser = Browser(app)
    before = everything()
    for rule in rules(app):
        if rule.endpoint in PUBLIC:
            continue
        for method in rule.methods - {"OPTIONS"}:
            answer = (
                browser.post(
                    address_of(rule), reason="because", task="1", mode="paused", role="admin", resolution="happened"
                )
                if method == "POST"
                else browser.request(address_of(rule), method=method)
            )
            assert answer.status_code == (401 if method == "POST" else 302), rule
            assert answer.headers["Cache-Control"] == "no-store"
    assert everything() == before


@pytest.mark.parametrize("role", Role)
def test_each_role_gets_what_is_its_own_and_nothing_more(app, address_of, logged_in, role, capsys):
    browser = logged_in(role)
    for rule in rules(app):
        if rule.endpoint in PUBLIC:
            continue
        allowed = RANKS.index(role) >= RANKS.index(LEAST_ROLE[rule.endpoint])
        method = "POST" if "POST" in rule.methods else "GET"
        # Without a reason, so that whoever may changes nothing either.
        answer = (
            browser.post(address_of(rule), mode="paused", role="viewer", resolution="happened", act="requeue")
            if method == "POST"
            else browser.get(address_of(rule))
        )
        if allowed:
            assert answer.status_code == OTHERWISE.get(rule.endpoint, 303 if method == "POST" else 200), rule
        else:
            assert answer.status_code == 403, rule
            assert "staff.refused" in capsys.readouterr().out


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_what_a_role_may_not_do_isnt_offered(rows, logged_in, role):
    task_id = rows.task(TaskState.FAILED)
    browser = logged_in(role)
    pages = [browser.get(path).text for path in ("/admin/", "/admin/tasks/", f"/admin/tasks/{task_id}")]
    forms = sum(page.count('<form method="post"') + page.count('stack" method="post"') for page in pages)
    assert ("Requeue" in pages[2]) is (role is Role.OPERATOR)
    assert all("/admin/staff/" not in page for page in pages)
    assert forms == 3 or role is Role.OPERATOR  # only to log out


def test_without_the_token_nothing_is_done(app, address_of, logged_in, everything):
    browser = logged_in(Role.ADMIN)
    before = everything()
    for rule in rules(app):
        if "POST" in rule.methods:
            form = {"reason": "because", "task": "1", "mode": "paused", "role": "viewer", "resolution": "happened"}
            assert browser.send(address_of(rule), form).status_code == 400, rule
            assert browser.send(address_of(rule), {**form, "csrf_token": "forged"}).status_code == 400, rule
    assert everything() == before


def test_the_token_of_another_session_is_refused(address_of, rows, logged_in, everything):
    browser, other = logged_in(Role.ADMIN), logged_in(Role.ADMIN)
    browser.token()
    before = everything()
    form = {"reason": "because", "task": "1", "csrf_token": other.token()}
    assert browser.send("/admin/tasks/requeue", form).status_code == 400
    assert everything() == before


def test_looking_changes_nothing(app, address_of, logged_in, everything):
    browser = logged_in(Role.ADMIN)
    before = everything()
    for rule in rules(app):
        for method in rule.methods & {"GET", "HEAD"}:
            assert browser.request(address_of(rule), method=method).status_code == OTHERWISE.get(rule.endpoint, 200), (
                rule
            )
        if "GET" not in rule.methods and rule.endpoint not in (
            "invitation.accept",
            "office.log_in",
            "office.log_in_with_code",
        ):
            assert browser.get(address_of(rule)).status_code in (404, 405), rule
    assert everything() == before


def test_no_page_is_kept_or_framed_or_brings_scripts_of_others(app, address_of, logged_in):
    browser = logged_in(Role.ADMIN)
    for rule in rules(app):
        if "GET" not in rule.methods:
            continue
        answer = browser.get(address_of(rule))
        assert answer.headers["Cache-Control"] == "no-store"
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "unsafe-inline" not in policy
        for foreign in ("jquery", "bootstrap", "select2", " style=", "javascript:", " onclick", "http://", "https://"):
            assert foreign not in answer.text, (rule, foreign)


def test_errors_are_told_within_the_back_office_and_lead_back_to_it(app, logged_in):
    viewer = logged_in(Role.VIEWER)
    for path, status in (("/admin/staff/", 403), ("/admin/tasks/99", 404), ("/admin/tasks/?x=1", 400)):
        answer = viewer.get(path)
        assert answer.status_code == status
        assert "Go to the overview" in answer.text
        assert "Log out" in answer.text
    answer = Browser(app).post("/admin/tasks/requeue", task="1", reason="again")
    assert answer.status_code == 401
    assert "/admin/login" in answer.text
    assert "Log out" not in answer.text


def test_without_the_database_the_pages_say_so(logged_in):
    browser = logged_in(Role.ADMIN)
    database = Path(db.engine.url.database)
    db.engine.dispose()
    for file in database.parent.glob(f"{database.name}*"):
        file.unlink()
    database.mkdir()
    for path in ("/admin/", "/admin/tasks/1"):
        answer = browser.get(path)
        assert answer.status_code == 503
        assert "Retry-After" in answer.headers


def test_flask_admins_own_files_are_not_served(logged_in):
    assert logged_in(Role.ADMIN).get("/admin/static/vendor/jquery.min.js").status_code == 404


@pytest.mark.parametrize("view", ["orders", "tasks", "audit", "staff", "tokens"])
@pytest.mark.parametrize(
    "path", ["new/", "edit/?id=1", "delete/", "details/?id=1", "action/", "export/csv/", "ajax/update/", "ajax/lookup/"]
)
def test_rows_cant_be_made_changed_or_taken_away(logged_in, everything, view, path):
    browser = logged_in(Role.ADMIN)
    before = everything()
    assert browser.get(f"/admin/{view}/{path}").status_code in (404, 405)
    assert browser.post(f"/admin/{view}/{path}", id="1", action="delete", rowid="1").status_code in (404, 405)
    assert everything() == before


def test_an_admin_cant_lock_everybody_out(rows, logged_in):
    browser = logged_in(Role.ADMIN)
    for act in ("disable", "role"):
        browser.post(f"/admin/staff/3/{act}", reason="goodbye", role="viewer")
        assert "their own" in browser.get("/admin/staff/").text
    assert browser.get("/admin/staff/").status_code == 200


def test_an_admin_disables_staff_and_revokes_tokens_and_it_is_recorded(address_of, rows, logged_in):
    browser = logged_in(Role.ADMIN)
    browser.post("/admin/staff/1/role", reason="promoted", role="operator")
    browser.post("/admin/staff/1/disable", reason="left us")
    browser.post("/admin/tokens/1/revoke", reason="till was stolen")
    for act, reason in (("staff.role", "promoted"), ("staff.disable", "left us"), ("token.revoke", "till was stolen")):
        (entry,) = [entry for entry in rows.audit(act) if not entry.refused]
        assert (entry.actor, entry.reason) == ("admin@example.com", reason)
    assert rows.read(ApiToken, 1).revoked_at is not None
    browser.post("/admin/tokens/1/revoke", reason="again")
    assert "revoked already" in browser.get("/admin/tokens/").text


def test_a_disabled_account_is_enabled_again_as_it_was(app, rows, logged_in):
    browser = logged_in(Role.ADMIN)
    browser.post("/admin/staff/1/disable", reason="on leave")
    browser.post("/admin/staff/1/role", reason="promoted", role="admin")
    page = browser.get("/admin/staff/").text
    assert "viewer@example.com is disabled. Nothing was changed" in page
    assert "Enable viewer@example.com" in page
    browser.post("/admin/staff/1/enable", reason="back again")
    account = rows.read(Staff, 1)
    assert (account.disabled_at, account.role) == (None, "viewer")
    (entry,) = [entry for entry in rows.audit("staff.enable") if not entry.refused]
    assert (entry.actor, entry.reason) == ("admin@example.com", "back again")
    assert Browser(app).log_in("viewer@example.com").status_code == 303
    browser.post("/admin/staff/1/enable", reason="once more")
    assert "viewer@example.com isn&#39;t disabled" in browser.get("/admin/staff/").text


def test_compensations_are_for_operators_too(rows, logged_in):
    task_id = rows.task(TaskState.FAILED, TaskKind.COMPENSATE)
    assert logged_in(Role.OPERATOR).post("/admin/tasks/requeue", task=task_id, reason="again").status_code == 303
