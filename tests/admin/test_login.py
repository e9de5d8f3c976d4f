"""Logging in, staying logged in, logging out."""

import shutil
from urllib.parse import urlencode

import pytest
from sqlalchemy import func, select, update

from orderapp import create_app
from orderapp.errors import InvalidRequest
from orderapp.models import Role, Staff, StaffSession, db_now
from orderapp.services.access import login_guesses
from orderapp.services.access.accounts import create_staff, disable_staff, set_role
from orderapp.services.db.audit import Actor
from orderapp.services.db.transactions import reading, writing
from tests.admin.conftest import DATABASE, PASSWORD, TOKEN, Browser, variables

HOUR = 3600


def sessions():
    with reading() as session:
        return list(session.scalars(select(StaffSession).order_by(StaffSession.id)))


def age(**moments):
    with writing() as session:
        session.execute(update(StaffSession).values(**moments))


def test_who_logs_in_gets_in(app):
    browser = Browser(app)
    answer = browser.log_in("viewer@example.com")
    assert answer.status_code == 303
    assert answer.location == "/admin/"
    assert browser.get("/admin/").status_code == 200


def test_capitals_and_blanks_in_the_address_dont_matter(app):
    assert Browser(app).log_in(" Viewer@Example.COM ").status_code == 303


def test_the_cookie_is_out_of_reach_and_the_database_keeps_only_its_hash(app):
    browser = Browser(app)
    header = browser.log_in("viewer@example.com").headers["Set-Cookie"]
    for flag in ("HttpOnly", "SameSite=Lax", "Path=/"):
        assert flag in header
    assert "Domain" not in header
    assert len(browser.cookie()) >= 43
    assert browser.cookie() not in sessions()[0].token_hash


def test_over_https_the_cookie_is_for_this_host_alone(filled_database, tmp_path):
    shutil.copy(filled_database, tmp_path / DATABASE)
    https = create_app(variables(tmp_path, PUBLIC_URL="https://shop.example.com"))
    client = https.test_client()
    page = client.get("/admin/login", base_url="https://shop.example.com")
    form = {"csrf_token": TOKEN.search(page.text)[1], "email": "viewer@example.com", "password": PASSWORD}
    own = {"base_url": "https://shop.example.com", "headers": {"Referer": "https://shop.example.com/admin/login"}}
    answer = client.post("/admin/login", data=form, **own)
    cookie = next(line for line in answer.headers.getlist("Set-Cookie") if line.startswith("__Host-orderapp-staff="))
    assert "Secure" in cookie


def test_a_copied_cookie_dies_with_the_logout(app):
    browser, thief = Browser(app), Browser(app)
    browser.log_in("viewer@example.com")
    thief.client.set_cookie("orderapp-staff", browser.cookie())
    assert thief.get("/admin/").status_code == 200
    assert browser.post("/admin/logout").status_code == 303
    assert browser.cookie() == ""
    assert thief.get("/admin/").status_code == 302


def test_each_login_makes_a_new_session_and_ends_the_one_before(app):
    browser = Browser(app)
    browser.log_in("viewer@example.com")
    first = browser.cookie()
    browser.log_in("viewer@example.com")
    assert browser.cookie() != first
    thief = Browser(app)
    thief.client.set_cookie("orderapp-staff", first)
    assert thief.get("/admin/").status_code == 302


def test_a_cookie_planted_before_the_login_is_worth_nothing_after_it(app):
    browser = Browser(app)
    browser.client.set_cookie("orderapp-staff", "planted")
    browser.log_in("viewer@example.com")
    assert browser.cookie() != "planted"
    thief = Browser(app)
    thief.client.set_cookie("orderapp-staff", "planted")
    assert thief.get("/admin/").status_code == 302


@pytest.mark.parametrize("cookie", ["", "x", "\u00e9", "a" * 4000, "'; DROP TABLE staff"])
def test_a_made_up_cookie_opens_nothing(app, cookie):
    browser = Browser(app)
    browser.client.set_cookie("orderapp-staff", cookie)
    assert browser.get("/admin/").status_code == 302


@pytest.mark.parametrize("moments", [{"last_seen_at": db_now(-31 * 60)}, {"created_at": db_now(-12 * HOUR - 1)}])
def test_an_idle_or_old_session_is_over(app, moments):
    browser = Browser(app)
    browser.log_in("viewer@example.com")
    age(**moments)
    assert browser.get("/admin/").status_code == 302


def test_whoever_goes_on_working_stays_logged_in(app):
    browser = Browser(app)
    browser.log_in("viewer@example.com")
    age(last_seen_at=db_now(-29 * 60))
    assert browser.get("/admin/").status_code == 200
    age(created_at=db_now(-11 * HOUR))
    assert browser.get("/admin/").status_code == 200
    with reading() as session:
        assert session.execute(select(StaffSession.last_seen_at > db_now(-60))).scalar_one()


def test_a_disabled_member_of_staff_is_out_at_once_and_cant_come_back(app, rows):
    browser = Browser(app)
    browser.log_in("operator@example.com")
    with reading() as session:
        staff_id = session.scalar(select(Staff.id).where(Staff.email == "operator@example.com"))
    disable_staff(staff_id, Actor(3, "admin@example.com"), "left us")
    assert browser.get("/admin/").status_code == 302
    assert browser.log_in("operator@example.com").status_code == 401
    assert [entry.reason for entry in rows.audit("staff.disable")] == ["left us"]


def test_a_changed_role_counts_from_the_next_request_on(app):
    browser = Browser(app)
    browser.log_in("operator@example.com")
    assert browser.get("/admin/staff/").status_code == 403
    with reading() as session:
        staff_id = session.scalar(select(Staff.id).where(Staff.email == "operator@example.com"))
    set_role(staff_id, Role.ADMIN, Actor(3, "admin@example.com"), "deputy")
    assert browser.get("/admin/staff/").status_code == 200


def test_unknown_account_and_wrong_password_get_the_same_answer(app):
    wrong = Browser(app, REMOTE_ADDR="192.0.2.1").log_in("viewer@example.com", "wrong password")
    unknown = Browser(app, REMOTE_ADDR="192.0.2.2").log_in("nobody@example.com", "wrong password")
    assert wrong.status_code == unknown.status_code == 401
    strip = {"viewer": "", "nobody": ""}
    texts = [TOKEN.sub("", page.text) for page in (wrong, unknown)]
    for name in strip:
        texts = [text.replace(name, "") for text in texts]
    assert texts[0] == texts[1]


def test_the_sixth_guess_is_refused_even_when_it_is_right_and_the_owner_still_gets_in_from_elsewhere(app):
    guesser = Browser(app, REMOTE_ADDR="192.0.2.1")
    answers = [guesser.log_in("viewer@example.com", f"guess number {number}").status_code for number in range(5)]
    assert answers == [401] * 5
    refused = guesser.log_in("viewer@example.com")
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0
    assert "Wait" in refused.text
    assert Browser(app, REMOTE_ADDR="198.51.100.7").log_in("viewer@example.com").status_code == 303


def test_guessing_at_many_accounts_is_refused_just_as_well(app):
    guesser = Browser(app, REMOTE_ADDR="2001:db8::1")
    for number in range(5):
        guesser.log_in(f"somebody{number}@example.com", "wrong password")
    neighbour = Browser(app, REMOTE_ADDR="2001:db8::ffff")
    assert neighbour.log_in("viewer@example.com").status_code == 429


def test_right_passwords_are_not_counted(app):
    for _ in range(8):
        assert Browser(app).log_in("viewer@example.com").status_code == 303


def test_ones_own_login_in_between_buys_no_guesses_at_another_account(app):
    guesser = Browser(app, REMOTE_ADDR="192.0.2.1")
    statuses = []
    for number in range(3):
        statuses += [guesser.log_in("admin@example.com", f"guess {number} {one}").status_code for one in range(4)]
        guesser.log_in("viewer@example.com")
    assert statuses.count(401) == 5
    assert statuses.count(429) == 7


def test_what_its_owner_mistyped_is_forgiven(app):
    browser = Browser(app, REMOTE_ADDR="192.0.2.1")
    for _ in range(3):
        assert browser.log_in("viewer@example.com", "mistyped").status_code == 401
        assert browser.log_in("viewer@example.com", "mistyped").status_code == 401
        assert browser.log_in("viewer@example.com").status_code == 303


def test_many_addresses_on_one_account_are_slowed_and_its_owner_still_gets_in(app, monkeypatch):
    waits = []
    monkeypatch.setattr(login_guesses.time, "sleep", waits.append)
    monkeypatch.setattr(login_guesses, "WRONG_ON_ACCOUNT", 6)  # each try takes 30 ms
    for number in range(9):
        guesser = Browser(app, REMOTE_ADDR=f"192.0.2.{number}")
        assert guesser.log_in("admin@example.com", "wrong password").status_code == 401
    assert waits == [login_guesses.SLOWED_SECONDS] * 3
    assert Browser(app, REMOTE_ADDR="198.51.100.7").log_in("admin@example.com").status_code == 303
    assert Browser(app, REMOTE_ADDR="192.0.2.1").log_in("viewer@example.com").status_code == 303
    assert len(waits) == 4


def test_few_tries_at_an_account_wait_at_once_so_that_threads_are_left(app, monkeypatch):
    monkeypatch.setattr(login_guesses, "WRONG_ON_ACCOUNT", 0)
    held = [login_guesses._slowed.acquire(blocking=False) for _ in range(login_guesses.SLOWED_AT_ONCE)]
    try:
        refused = Browser(app).log_in("admin@example.com")
        assert (held, refused.status_code) == ([True, True], 429)
        assert int(refused.headers["Retry-After"]) > 0
    finally:
        for _ in held:
            login_guesses._slowed.release()


def test_where_no_address_is_known_nobody_locks_out_everybody(app):
    stranger = Browser(app, REMOTE_ADDR="")
    for number in range(7):
        assert stranger.log_in(f"somebody{number}@example.com", "wrong password").status_code == 401
    assert Browser(app, REMOTE_ADDR="").log_in("admin@example.com").status_code == 303


def test_logins_and_refusals_are_recorded_without_what_was_typed(app, rows):
    Browser(app).log_in("my secret password")
    Browser(app).log_in("viewer@example.com", "wrong password")
    Browser(app).log_in("viewer@example.com")
    assert [entry.actor for entry in rows.audit("staff.refuse")] == ["unknown", "viewer@example.com"]
    assert [entry.actor for entry in rows.audit("staff.login")] == ["viewer@example.com"]


def test_an_act_is_kept_with_the_request_it_came_by_and_its_network(app, rows):
    browser = Browser(app, REMOTE_ADDR="198.51.100.7")
    answer = browser.log_in("viewer@example.com")
    [entry] = rows.audit("staff.login")
    assert (entry.request_id, entry.network) == (answer.headers["X-Request-Id"], "198.51.100.0/24")
    assert entry.os_user is None
    page = browser.get(f"/admin/audit/{entry.id}").text
    assert entry.request_id in page
    assert "198.51.100.0/24" in page
    assert "198.51.100.7" not in page


@pytest.mark.parametrize(
    "address",
    ["//evil.example", "/\\evil.example", "https:evil", "javascript:alert(1)", "/admin/\\evil", "/adminevil", "\x00"],
)
def test_after_the_login_nobody_is_led_away(app, address):
    browser = Browser(app)
    answer = browser.log_in("viewer@example.com", path=f"/admin/login?{urlencode({'next': address})}")
    assert answer.location == "/admin/"


def test_after_the_login_one_is_where_one_wanted_to_be(app):
    browser = Browser(app)
    login = browser.get("/admin/tasks/?state=failed").location
    assert browser.log_in("viewer@example.com", path=login).location == "/admin/tasks/?state=failed"


def test_the_form_of_another_session_is_refused(app):
    browser, other = Browser(app), Browser(app)
    browser.token()
    form = {"csrf_token": other.token(), "email": "viewer@example.com", "password": PASSWORD}
    assert browser.send("/admin/login", form).status_code == 400
    assert not sessions()


def test_a_form_shown_before_the_login_is_refused_after_it(app):
    browser = Browser(app)
    before = browser.token()
    browser.log_in("viewer@example.com")
    assert browser.send("/admin/logout", {"csrf_token": before}).status_code == 400
    assert browser.get("/admin/").status_code == 200


@pytest.mark.parametrize(
    ("password", "accepted"),
    [
        ("short77", False),
        ("password1", False),
        ("Sunshine", False),
        ("newcomer@example.com", False),
        ("newcomer2026", False),
        ("aaaaaaaa", False),
        ("Summer2026", False),
        ("P@ssw0rd2026", False),
        ("orderapp1", False),
        ("qwertyuiop", False),
        ("w" * 79 + "!", False),
        ("x" * 129, False),
        ("\ud800 is half a character", False),
        ("an uncommon one", True),
        ("p" + "q7" * 31 + "z", True),
        ("Xk7#pQ9z", True),
    ],
)
def test_passwords_that_are_guessed_first_are_refused(app, password, accepted):
    if accepted:
        create_staff("newcomer@example.com", Role.VIEWER, password)
        assert Browser(app).log_in("newcomer@example.com", password).status_code == 303
    else:
        with pytest.raises(InvalidRequest) as caught:
            create_staff("newcomer@example.com", Role.VIEWER, password)
        assert list(caught.value.errors) == ["password"]


def test_passwords_are_told_apart_at_their_75th_character(app):
    start = "mules file paper clips while horses staple batteries and nobody minds at all.."[:74]
    create_staff("newcomer@example.com", Role.VIEWER, start + "b" + "c" * 5)
    assert Browser(app).log_in("newcomer@example.com", start + "x" + "c" * 5).status_code == 401


def test_passwords_are_kept_as_argon2id(app):
    with reading() as session:
        for password_hash in session.scalars(select(Staff.password_hash)):
            assert password_hash.startswith("$argon2id$v=19$m=19456,t=2,")


@pytest.mark.parametrize("email", ["", "no address", "a@b@c", "a\n@b.c", "x" * 300 + "@b.c", "viewer@example.com"])
def test_an_account_needs_an_address_of_its_own(app, email):
    with pytest.raises(InvalidRequest) as caught:
        create_staff(email, Role.ADMIN, PASSWORD)
    assert "email" in caught.value.errors
    with reading() as session:
        assert session.scalar(select(func.count()).select_from(Staff)) == len(Role)


def test_a_page_that_refreshes_itself_keeps_no_session_from_being_idle(logged_in):
    browser = logged_in(Role.VIEWER)
    long_ago = db_now(-600)
    with writing() as session:
        session.execute(update(StaffSession).values(last_seen_at=long_ago))
    before = last_seen()
    assert browser.request("/admin/", headers={"Live-Refresh": "1"}).status_code == 200
    assert last_seen() == before
    assert browser.get("/admin/").status_code == 200
    assert last_seen() > before


def last_seen():
    """When the only session was last used."""
    with reading() as session:
        return session.scalars(select(StaffSession.last_seen_at)).one()
