"""Whoever guesses codes is held back; whoever doesn't never notices."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from orderapp.config import current_settings
from orderapp.errors import InvalidRequest, TooManyAttempts
from orderapp.models import RateCounter, SwitchMode, db_now
from orderapp.services.access import code_guesses
from orderapp.services.access.attempt_counters import bucket_of
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.services.db.transactions import reading, writing
from orderapp.services.orders.request_schema import read_order
from orderapp.services.resilience.switches import switch_system
from tests.api.conftest import ApiClient, assert_problem, order_content, order_count
from tests.inputs import INPUTS
from tests.sandbox.running import RunningSandbox

MEMBER = {"member_ref": "M-1001"}
WRONG = {
    "coupon": {"coupon": "NO-SUCH-{}"},
    "benefit": {"benefit": "NO-SUCH-{}", "customer": MEMBER},
    "customer.member_ref": {"benefit": "VIP5", "customer": {"member_ref": "M-9{}"}},
}

# A member number that nobody has is told as a benefit that the member lacks: strangers learn of no member.
FIELDS = {"coupon": "coupon", "benefit": "benefit", "customer.member_ref": "benefit"}


def guess(client: ApiClient, field: str, number: int, **customer: str) -> Any:
    content: dict[str, Any] = {**WRONG[field]}
    content["customer"] = {**content.get("customer", {}), **customer}
    filled = {name: value.format(number) if isinstance(value, str) else value for name, value in content.items()}
    filled["customer"] = {name: value.format(number) for name, value in content["customer"].items()}
    return client.place(**filled)


@pytest.mark.parametrize("field", WRONG)
def test_the_eleventh_wrong_code_is_not_even_asked_for(client: ApiClient, sandbox: RunningSandbox, field: str) -> None:
    for number in range(10):
        problem = assert_problem(guess(client, field, number), 400, "invalid_request")
        assert problem["errors"].keys() == {FIELDS[field]}
    calls = sum(system["calls"] for system in sandbox.faults().values())

    for number in range(10, 13):
        answer = guess(client, field, number)
        assert_problem(answer, 429, "too_many_attempts")
        assert 0 < int(answer.headers["Retry-After"]) <= code_guesses.WINDOW_SECONDS

    assert sum(system["calls"] for system in sandbox.faults().values()) == calls
    assert order_count() == 0


def test_forged_addresses_buy_no_more_guesses(client: ApiClient) -> None:
    for number in range(11):
        answer = client.post(
            "/orders", json=order_content(coupon=f"NO-{number}"), headers={"X-Forwarded-For": f"192.0.2.{number}"}
        )
    assert_problem(answer, 429, "too_many_attempts")


def test_guesses_at_the_same_moment_are_all_counted(app: Flask, token: str) -> None:
    def one(number: int) -> int:
        return ApiClient(app.test_client(), token).place(coupon=f"NO-SUCH-{number}").status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(one, range(24)))

    assert statuses.count(400) == 10
    assert statuses.count(429) == 14


def test_others_and_orders_without_codes_are_not_held_back(client: ApiClient, other_client: ApiClient) -> None:
    known = client.place("known", coupon="WELCOME10", customer=MEMBER)
    for number in range(11):
        guess(client, "coupon", number)

    assert_problem(client.place(coupon="WELCOME10"), 429, "too_many_attempts")
    assert client.place().status_code == 201
    assert client.place(coupon="WELCOME10", customer={"email": "grace@example.com"}).status_code == 201
    assert other_client.place(coupon="WELCOME10").status_code == 201
    replayed = client.place("known", coupon="WELCOME10", customer=MEMBER)
    assert (replayed.status_code, replayed.json) == (200, known.json)


def test_right_codes_and_other_mistakes_do_not_count(client: ApiClient, sandbox: RunningSandbox) -> None:
    for number in range(12):
        sandbox.fault("coupon", "none")
        assert client.place(coupon="WELCOME10", quantity=number + 1).status_code == 201
        assert_problem(client.place(coupon="WELCOME10", sku="NO-SUCH"), 400, "invalid_request")
    sandbox.fault("coupon", "down")
    for number in range(12):
        assert_problem(client.place(coupon="WELCOME10", quantity=100 + number), 503, "system_unavailable")
    sandbox.clear_faults()
    assert client.place(coupon="WELCOME10", quantity=99).status_code == 201


def test_new_addresses_do_not_buy_guesses_without_end(client: ApiClient) -> None:
    limit = code_guesses.WRONG_CODES_OF_CLIENT
    answers = [guess(client, "coupon", number, email=f"eve{number}@example.com") for number in range(limit + 1)]

    assert {answer.status_code for answer in answers[:limit]} == {400}
    assert_problem(answers[limit], 429, "too_many_attempts")
    assert client.place(customer={"email": "grace@example.com"}).status_code == 201


PRICE = {"value": 1580, "currency": "EUR"}  # of an order of the tests, before discounts


def codes_in_use(sandbox: RunningSandbox, count: int) -> list[str]:
    """Make valid codes, all alike, and return them."""
    codes = [f"GIFT{number}" for number in range(count)]
    for code in codes:
        sandbox.change(
            "INSERT INTO coupons SELECT ?, uses_left, expired, discount FROM coupons WHERE code = 'WELCOME10'", code
        )
    return codes


def test_a_right_code_whose_order_is_never_placed_is_a_guess_as_a_wrong_one_is(
    client: ApiClient, sandbox: RunningSandbox
) -> None:
    codes = codes_in_use(sandbox, 12)
    for code in [*codes[:9], *codes[:10]]:
        assert_problem(client.place(coupon=code, expected_total=PRICE), 409, "total_changed")
    assert_problem(client.place(coupon=codes[10], expected_total=PRICE), 429, "too_many_attempts")
    assert_problem(client.place(coupon=codes[11]), 429, "too_many_attempts")
    assert client.place().status_code == 201


def test_whoever_asks_for_the_total_and_then_orders_never_guesses(client: ApiClient, sandbox: RunningSandbox) -> None:
    for code in codes_in_use(sandbox, 15):
        problem = assert_problem(client.place(coupon=code, expected_total=PRICE), 409, "total_changed")
        assert client.place(coupon=code, expected_total=problem["total"]).status_code == 201


def test_a_code_that_is_ordered_with_over_and_over_takes_back_one_guess(
    client: ApiClient, sandbox: RunningSandbox
) -> None:
    codes = codes_in_use(sandbox, 12)
    for code in codes[:10]:
        assert_problem(client.place(coupon=code, expected_total=PRICE), 409, "total_changed")
    guesser = code_guesses.guessers_of_client(1, "ada@example.com")[0]
    assert attempts_of(guesser) == 10
    for number in range(3):
        with writing() as session:
            session.execute(update(RateCounter).where(RateCounter.count == 10).values(count=9))
        assert client.place(coupon=codes[0], quantity=number + 1).status_code == 201
    assert attempts_of(guesser) == 8


def test_a_retry_tells_nobody_about_codes_without_end(client: ApiClient) -> None:
    settings = current_settings()
    switch_system("coupon", SwitchMode.PAUSED, COMMAND_LINE, "a look at its invoices", settings)
    answers = [client.place(coupon=f"NO-{number}") for number in range(11)]
    failed = [assert_problem(answer, 503, "system_unavailable")["order"] for answer in answers]
    switch_system("coupon", SwitchMode.ON, COMMAND_LINE, "they are right", settings)
    answers = [client.post(f"/orders/{order['id']}/retry", order["id"]) for order in failed]
    for answer in answers[:10]:
        assert_problem(answer, 400, "invalid_request")
    assert_problem(answers[10], 429, "too_many_attempts")


def attempts_of(guesser: code_guesses.Guesser) -> int:
    with reading() as session:
        bucket = bucket_of(guesser.bucket_parts)
        return session.scalars(select(RateCounter.count).where(RateCounter.bucket == bucket)).one()


def test_after_the_window_the_count_begins_anew(client: ApiClient) -> None:
    for number in range(11):
        answer = guess(client, "coupon", number)
    assert answer.status_code == 429
    with writing() as session:
        session.execute(update(RateCounter).values(window_ends_at=db_now(-1)))

    for number in range(10):
        assert guess(client, "coupon", number).status_code == 400
    assert guess(client, "coupon", 10).status_code == 429


def guess_in_shop(address: str | None, session: str | None, code: str) -> None:
    request = read_order(order_content(coupon=code), INPUTS)
    guessers = code_guesses.guessers_of_visitor(address, session)
    with code_guesses.counting(code_guesses.Guess.of(guessers, request.inputs, INPUTS)):
        raise InvalidRequest({"coupon": ["unknown"]})


def test_visitors_of_the_shop_are_counted_by_their_browser(app: Flask) -> None:
    for number in range(10):
        with pytest.raises(InvalidRequest):
            guess_in_shop("192.0.2.1", "one", f"C{number}")
    with pytest.raises(TooManyAttempts):
        guess_in_shop("198.51.100.1", "one", "C10")
    with pytest.raises(InvalidRequest):
        guess_in_shop("192.0.2.1", "another", "C11")


def test_without_cookies_visitors_are_counted_by_the_network_they_come_from(app: Flask) -> None:
    for number in range(code_guesses.WRONG_CODES_OF_NETWORK):
        with pytest.raises(InvalidRequest):
            guess_in_shop(f"2001:db8::{number}", f"session {number}", f"C{number}")
    with pytest.raises(TooManyAttempts):
        guess_in_shop("2001:db8::ffff", None, "C50")
    for other in ("2001:db8:0:1::1", "192.0.2.1", None):
        with pytest.raises(InvalidRequest):
            guess_in_shop(other, None, "C51")


def test_the_same_code_again_is_no_further_guess(client: ApiClient) -> None:
    for _ in range(12):
        assert_problem(guess(client, "coupon", 1), 400, "invalid_request")
    for number in range(2, 11):
        assert_problem(guess(client, "coupon", number), 400, "invalid_request")
    assert_problem(guess(client, "coupon", 11), 429, "too_many_attempts")


def test_used_up_codes_are_guesses_as_unknown_ones_are(client: ApiClient) -> None:
    for number in range(9):
        guess(client, "coupon", number)
    assert_problem(client.place(coupon="USEDUP"), 422, "coupon_used_up")
    problem = assert_problem(client.place(coupon="WELCOME10"), 429, "too_many_attempts")
    assert "without a code" in problem["detail"]
    assert client.place().status_code == 201


def test_an_unknown_member_and_one_without_the_benefit_are_told_alike(client: ApiClient) -> None:
    answers = [client.place(benefit="NONE", customer={"member_ref": ref}) for ref in ("M-1001", "M-9999")]
    problems = [assert_problem(answer, 400, "invalid_request") for answer in answers]
    for problem in problems:
        del problem["request_id"]
    assert problems[0] == problems[1]


def test_an_expired_code_that_many_try_is_one_guess_of_them_all(app: Flask) -> None:
    for number in range(code_guesses.WRONG_CODES_OF_NETWORK + 5):
        with pytest.raises(InvalidRequest):
            guess_in_shop("192.0.2.1", f"session {number}", "LAST-SUMMER")
