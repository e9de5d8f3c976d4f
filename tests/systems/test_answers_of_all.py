"""The contract's table of answers ("Common to the HTTP systems"), for every verb of every HTTP system there is."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import responses
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orderapp.domain.outcome import Answer, Finding, Outcome
from orderapp.systems.base import System
from tests.systems.conftest import EVERYWHERE, Wire
from tests.systems.making import ACCOUNT, CUSTOMER, HTTP_KINDS, SECRET, TOKEN, End, make, run, verbs_of

VERBS = [pytest.param(kind, verb, id=f"{kind.name}-{verb}") for kind in HTTP_KINDS for verb in verbs_of(kind)]
# What a GET for something is allowed to find missing.
LOOKS_UP = {"ask", "check", "quote"}

DEEP = b'{"a":' * 50_000 + b"1" + b"}" * 50_000
NOT_DOCUMENTED = {
    "nothing": b"",
    "html": b"<!doctype html><title>Welcome</title>",
    "text": b"OK",
    "a_list": b"[]",
    "null": b"null",
    "a_number": b"1",
    "an_empty_object": b"{}",
    "truncated": b'{"reservation": {"key": "7K3M9-QXZ2F:1:inventory", "sta',
    "nan": b'{"reservation": NaN}',
    "infinity": b'{"sid": -Infinity}',
    "a_member_twice": b'{"sid": "a", "sid": "b", "status": "queued"}',
    "bad_utf8": b'{"sid": "\xff\xfe", "status": "queued"}',
    "utf16": '{"sid": "a", "status": "queued"}'.encode("utf-16"),
    "deep": DEEP,
    "a_huge_number": b'{"sid": ' + b"9" * 10_000 + b"}",
    "huge": b'{"sid": "' + b"a" * 1_100_000 + b'", "status": "queued"}',
    "an_error": b'{"error": {"code": "out_of_stock", "message": "none left"}}',
}
# Statuses that say nothing about what happened.
SAY_NOTHING = [300, 301, 302, 303, 304, 307, 308, 402, 405, 406, 408, 410, 413, 415, 418, 425, 451]
SAY_NOTHING += [500, 501, 502, 503, 504, 520, 599]
OURS = [400, 401, 403, 404]
DOCUMENTED_ERROR = json.dumps({"error": {"code": "not_now", "message": "No."}})


def proves_nothing(end: End) -> bool:
    """Whether an end claims neither that something happened nor that it didn't."""
    asked = end.finding in (None, Finding.UNCLEAR)
    return end.answer.outcome is Outcome.UNKNOWN and asked and not end.refused and not end.offers


@pytest.mark.parametrize(("kind", "verb"), [one for one in VERBS if one.id != "sms-check"])  # any will do for that
def test_a_success_with_a_body_that_is_not_the_documented_one_is_unknown(system: System, verb: str, wire: Wire) -> None:
    for status, (name, body) in itertools.product(range(200, 207), NOT_DOCUMENTED.items()):
        wire.answers(status, body)
        assert proves_nothing(run(system, verb)), f"{status} with {name}"


@pytest.mark.parametrize(("kind", "verb"), VERBS)
def test_a_status_that_says_nothing_about_what_happened_is_unknown(system: System, verb: str, wire: Wire) -> None:
    for status, body in itertools.product(SAY_NOTHING, (b"<h1>Oops</h1>", DOCUMENTED_ERROR)):
        if (system.name, verb, status) == ("sms", "check", 405):
            continue  # shows that address and credentials are right
        wire.answers(status, body, {"Location": "http://127.0.0.1:9/elsewhere"})
        end = run(system, verb)
        assert proves_nothing(end), status
        assert end.answer.repeatable, status
        assert len(wire.requests) == 1, "nothing is repeated and no redirect is followed"


@pytest.mark.parametrize(("kind", "verb"), VERBS)
def test_our_own_mistake_did_not_happen_and_is_not_repeated(system: System, verb: str, wire: Wire) -> None:
    for status, body in itertools.product(OURS, (b"", b"<h1>Oops</h1>", DOCUMENTED_ERROR)):
        if status == 404 and verb in LOOKS_UP:
            continue  # the contract says what it means that there is nothing
        wire.answers(status, body)
        end = run(system, verb)
        assert (end.answer.outcome, end.answer.repeatable, end.refused) == (Outcome.NOT_SENT, False, ""), status
        assert str(status) in end.answer.message


@pytest.mark.parametrize(("kind", "verb"), VERBS)
def test_a_refusal_with_a_documented_error_is_a_refusal(system: System, verb: str, wire: Wire) -> None:
    for status in (409, 422):
        wire.answers(status, DOCUMENTED_ERROR)
        answer = run(system, verb).answer
        assert (answer.outcome, answer.code, answer.repeatable) == (Outcome.REFUSED, "not_now", False)
        assert answer.message == f"answered {status} not_now: No."


UNDOCUMENTED_ERRORS: list[object] = [
    {},
    {"error": "out_of_stock"},
    {"error": None},
    {"error": ["out_of_stock"]},
    {"error": {}},
    {"error": {"code": ""}},
    {"error": {"code": None}},
    {"error": {"code": 17}},
    {"error": {"code": True}},
    {"error": {"code": "Out of stock"}},
    {"error": {"code": "x" * 65}},
    {"error": {"code": "out_of_stock\n"}},
    {"error": {"code": "<script>"}},
    {"error": {"code": "\ud800"}},
    ["out_of_stock"],
]


@pytest.mark.parametrize(("kind", "verb"), VERBS)
def test_a_refusal_without_a_documented_error_may_come_from_anything_in_between(
    system: System, verb: str, wire: Wire
) -> None:
    bodies = [b"", b"<h1>Conflict</h1>", *map(json.dumps, UNDOCUMENTED_ERRORS)]
    for status, body in itertools.product((409, 422), bodies):
        wire.answers(status, body)
        assert proves_nothing(run(system, verb)), (status, body)


def in_seconds(seconds: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("header", "least_seconds", "most_seconds"),
    [
        ("0", 0, 0),
        ("7", 7, 7),
        (" 120 ", 120, 120),
        ("99999999999999999999", 86_400, 10**9),
        (lambda: in_seconds(3600), 3000, 3600),
        (lambda: in_seconds(-3600), 0, 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400, 10**12),
        ("Sun Nov  6 08:49:37 1994", 0, 0),
        (lambda: datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S -0000"), 0, 1),
    ],
)
def test_too_many_requests_did_not_happen_and_tells_when_to_come_again(
    header: str | Callable[[], str], least_seconds: float, most_seconds: float, wire: Wire
) -> None:
    for kind, verb in (parameters.values for parameters in VERBS):
        # A time is told from now on, not from when the tests were collected, which may be long ago.
        wire.answers(429, DOCUMENTED_ERROR, {"Retry-After": header if isinstance(header, str) else header()})
        answer = run(make(kind), verb).answer
        assert (answer.outcome, answer.repeatable) == (Outcome.NOT_SENT, True)
        assert answer.retry_after_seconds is not None
        assert least_seconds <= answer.retry_after_seconds <= most_seconds


GARBAGE = ["-5", "1.5", "soon", "", "²", "0x10", "5, 10", "1 Jan", "Mon, 99 Foo 2026 25:61:61 GMT", ", , ,", "1e3"]
BEYOND = [
    "Mon, 20 Nov 9999999999 12:00:00 GMT",
    "Mon, 20 Nov 10000 12:00:00 GMT",
    "Mon, 20 Nov 2026 12:00:00 +99999999",
]
BEYOND += [f"Mon, 20 Nov {'9' * 5000} 12:00:00 GMT", f"Mon, {'9' * 30} Nov 2026 12:00:00 GMT"]
ANCIENT = ["Sat, 01 Jan 0001 00:00:00 -0000", "Sat, 01 Jan 0001 00:00:00 +2359", "Sat, 01 Jan 2026 00:00:00 +9999"]


@pytest.fixture
def new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A host whose own time isn't UTC."""
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_a_date_without_a_zone_is_in_utc_wherever_we_are(wire: Wire, new_york: None) -> None:
    for zone in ("GMT", "+0000", "-0000", ""):
        wire.answers(429, headers={"Retry-After": in_seconds(100).replace("GMT", zone)})
        seconds = run(make(HTTP_KINDS[0]), "act").answer.retry_after_seconds
        assert seconds is not None
        assert 90 <= seconds <= 100, zone


def test_a_date_counts_by_the_clock_of_the_system_that_named_it(wire: Wire) -> None:
    # It is an hour before us; or we are an hour behind.
    wire.answers(429, headers={"Date": in_seconds(3600), "Retry-After": in_seconds(3700)})
    seconds = run(make(HTTP_KINDS[0]), "act").answer.retry_after_seconds
    assert seconds is not None
    assert 99 <= seconds <= 101


@pytest.mark.parametrize("header", [*GARBAGE, *ANCIENT, *BEYOND])
def test_a_time_to_come_again_that_nobody_can_read_is_passed_over(header: str, wire: Wire) -> None:
    wire.answers(429, headers={"Retry-After": header})
    answer = run(make(HTTP_KINDS[0]), "act").answer
    assert (answer.outcome, answer.repeatable) == (Outcome.NOT_SENT, True)
    assert answer.retry_after_seconds in (None, 0.0)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=40))
def test_no_time_to_come_again_is_ever_negative_or_raises(wire: Wire, header: str) -> None:
    wire.answers(503, headers={"Retry-After": header})
    seconds = run(make(HTTP_KINDS[0]), "act").answer.retry_after_seconds
    assert seconds is None or seconds >= 0


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
# Names that the systems look at, so that more than the first look is tried.
MEMBERS = ["error", "reservation", "consumption", "settlement", "redemption", "redemptions", "coupon", "member", "sid"]
MEMBERS += ["status", "code", "message", "key", "state", "id", "reference", "benefits", "discount", "kind", "value"]
NEARLY = st.recursive(
    JSON_VALUES,
    lambda inner: st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=4) | st.lists(inner, max_size=2),
    max_leaves=12,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(st.sampled_from([200, 201, 202, 400, 404, 409, 422, 429, 500]), NEARLY.map(json.dumps) | st.binary(max_size=200))
def test_whatever_a_system_answers_it_ends_in_an_outcome_that_can_be_stored(
    wire: Wire, status: int, body: str | bytes
) -> None:
    wire.answers(status, body)
    for kind, verb in (parameters.values for parameters in VERBS):
        end = run(make(kind), verb)
        assert_storable(end.answer)
        if status >= 300 and verb in ("act", "undo"):
            assert end.answer.outcome is not Outcome.DONE
        if status in (200, 201, 202, 500) and verb != "ask":
            assert end.answer.outcome is not Outcome.NOT_SENT


def assert_storable(answer: Answer) -> None:
    for text in (
        answer.code,
        answer.message,
        *(part for one in answer.exchanges for part in (one.request, one.response)),
    ):
        text.encode()
        assert "\x00" not in text
        assert len(text) < 2100
    assert len(answer.code) <= 64
    assert len(answer.message) <= 300
    assert all(one.duration_ms >= 0 for one in answer.exchanges)


@pytest.mark.parametrize(("kind", "verb"), VERBS)
def test_what_is_kept_of_a_call_holds_nothing_private_even_where_the_answer_repeats_it(
    system: System, verb: str, wire: Wire
) -> None:
    def echo(request: responses.PreparedRequest) -> tuple[int, dict[str, str], str]:
        """Answer as debugging pages do: with all that was sent."""
        told = {**request.headers, "url": request.url, "body": str(request.body), "name": "Zoë, as they know her"}
        authorization = request.headers.get("Authorization", "")
        password = SECRET if authorization.startswith("Basic ") else ""
        # The message's cut falls into the token.
        message = f"{'x' * 265}{authorization} {password} {request.body}"
        return 409, {}, json.dumps({"told": told, "error": {"code": "no", "message": message}})

    wire.mock.reset()
    for method in ("GET", "POST"):
        wire.mock.add_callback(method, EVERYWHERE, echo)
    answer = run(system, verb).answer
    kept = " ".join([answer.message, *(one.request + one.response for one in answer.exchanges)]).lower()
    sent = wire.requests[0].request.headers.get("Authorization", "").split()
    halves = (TOKEN[:6], SECRET[:6], *(secret[:6] for secret in sent[1:]))
    for private in (CUSTOMER.name, "neill", CUSTOMER.email, "zoe", CUSTOMER.phone, *halves):
        assert private.lower() not in kept
    assert ACCOUNT.lower() not in kept or system.name == "sms"


@pytest.mark.parametrize(("kind", "verb"), VERBS)
def test_each_call_is_kept_with_its_request_its_answer_and_its_time(system: System, verb: str, wire: Wire) -> None:
    wire.answers(500, b"<h1>Oops</h1>")
    started = time.monotonic()
    (exchange,) = run(system, verb).answer.exchanges
    assert exchange.request.startswith(("GET /", "POST /"))
    assert exchange.response == "500\n<h1>Oops</h1>"
    assert 0 <= exchange.duration_ms <= (time.monotonic() - started) * 1000 + 1


@pytest.mark.parametrize("kind", HTTP_KINDS)
def test_a_system_whose_address_is_gone_from_the_settings_is_not_called(kind: type[System]) -> None:
    system = make(kind, url="", SMS_URL="", **({"SMS_ACCOUNT_SID": ""} if kind.name == "sms" else {}))
    assert not system.configured
    if kind.name != "sms":  # has a default address
        answer = run(system, "act").answer
        assert (answer.outcome, answer.code, answer.repeatable) == (Outcome.NOT_SENT, "not_configured", False)
