"""Each fault as a real client meets it, and what was and wasn't done."""

from __future__ import annotations

import time
from typing import Any

import pytest
import requests

from orderapp.sandbox.wrong_answers import WRONG_ANSWERS
from tests.sandbox.calls import INVENTORY, KEYED, code, redeem, redemptions, reserve
from tests.sandbox.running import RunningSandbox
from tests.servers.loopback import poll_until

READ_SECONDS = 0.2  # the read time-out of the impatient client here
CUT = requests.exceptions.ConnectionError
BROKEN_OFF = (requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError)


def effects(sandbox: RunningSandbox, order_ref: str) -> int:
    """Count what happened to an order, once nothing is on its way any more."""
    assert poll_until(lambda: sandbox.ledger(order_ref)["waiting"] == 0, within_seconds=5, interval_seconds=0.01)
    return len(sandbox.ledger(order_ref)["effects"])


@pytest.mark.parametrize(
    ("fault", "error", "done"),
    [
        ("down", CUT, 0),
        ("cut_before", CUT, 0),
        ("cut_after", BROKEN_OFF, 1),
        ("late_effect", CUT, 1),
        ("slow", requests.exceptions.ReadTimeout, 1),
        ("stall", BROKEN_OFF, 1),
        ("endless_headers", CUT, 1),
        ("continue_flood", CUT, 1),
    ],
)
def test_no_answer_comes(sandbox, new_name, fault, error, done):
    key = new_name()
    sandbox.fault("inventory", fault, seconds=2 * READ_SECONDS)
    with pytest.raises(error):
        reserve(sandbox, key, {"TEA-GREEN": 1}, timeout=READ_SECONDS)
    sandbox.clear_faults()
    assert effects(sandbox, key) == done


@pytest.mark.parametrize(
    ("fault", "status", "done"),
    [
        ("refuses", 409, 0),
        ("unauthorized", 401, 0),
        ("rate_limited", 429, 0),
        ("unavailable", 503, 0),
        ("error_before", 500, 0),
        ("error_after", 500, 1),
        ("redirect", 302, 0),
        ("garbage", 200, 1),
        ("garbage_before", 200, 0),
        ("slow", 201, 1),
        ("stall", 201, 1),
    ],
)
@pytest.mark.parametrize("system", KEYED, ids=lambda system: system.system)
def test_another_answer_comes(sandbox, new_name, system, fault, status, done):
    key = new_name()
    sandbox.fault(system.system, fault, seconds=0.01)
    answer = system.post(sandbox, key, system.content(key), allow_redirects=False)
    sandbox.clear_faults()
    assert answer.status_code == status
    assert effects(sandbox, key) == done
    if 400 <= status < 600:
        assert code(answer)


def test_an_effect_that_came_late_is_the_same_one_as_repeated_meanwhile(sandbox, new_name):
    key = new_name()
    sandbox.fault("inventory", "late_effect", seconds=0.2)
    with pytest.raises(CUT):
        reserve(sandbox, key, {"TEA-GREEN": 1})
    sandbox.clear_faults()
    assert INVENTORY.show(sandbox, key).status_code == 404
    assert reserve(sandbox, key, {"TEA-GREEN": 1}).status_code == 201
    assert effects(sandbox, key) == 1


def test_an_effect_that_comes_after_its_cancel_does_not_happen(sandbox, new_name):
    key = new_name()
    sandbox.fault("inventory", "late_effect", seconds=0.2)
    with pytest.raises(CUT):
        reserve(sandbox, key, {"TEA-GREEN": 1})
    sandbox.clear_faults()
    INVENTORY.cancel(sandbox, key)
    assert effects(sandbox, key) == 0
    assert INVENTORY.show(sandbox, key).json() == INVENTORY.state(key, "cancelled")


def test_a_late_redemption_stays_inside_the_late_window(tmp_path):
    with RunningSandbox(tmp_path, coupon_late_seconds=0.5) as sandbox:
        sandbox.fault("coupon", "late_effect", seconds=60)
        with pytest.raises(CUT):
            redeem(sandbox, "R1")
        sandbox.clear_faults()
        assert redemptions(sandbox, "R1") == []
        started = time.monotonic()
        assert poll_until(lambda: len(redemptions(sandbox, "R1")) == 1, within_seconds=5)
        assert time.monotonic() - started < 0.5


def test_a_key_that_was_refused_by_the_fault_stays_refused(sandbox, new_name):
    key = new_name()
    sandbox.fault("inventory", "refuses")
    assert code(reserve(sandbox, key, {"TEA-GREEN": 1})) == "refused_by_sandbox"
    sandbox.clear_faults()
    assert code(reserve(sandbox, key, {"TEA-GREEN": 1})) == "refused_by_sandbox"


def test_a_key_that_was_done_is_not_refused_afterwards(sandbox, new_name):
    key = new_name()
    reserve(sandbox, key, {"TEA-GREEN": 1})
    sandbox.fault("inventory", "refuses")
    assert reserve(sandbox, key, {"TEA-GREEN": 1}).status_code == 200


@pytest.mark.parametrize(
    ("detail", "expected"),
    [("", "3"), ("-1", "-1"), ("Fri, 31 Dec 1999 23:59:59 GMT", "Fri, 31 Dec 1999 23:59:59 GMT"), ("soon", "soon")],
)
def test_retry_after_says_what_it_was_told(sandbox, detail, expected):
    sandbox.fault("coupon", "rate_limited", seconds=3, detail=detail)
    assert redeem(sandbox, "R").headers["Retry-After"] == expected


def test_an_answer_drips(sandbox, new_name):
    key = new_name()
    sandbox.fault("inventory", "drip", seconds=0.01)
    started = time.monotonic()
    answer = reserve(sandbox, key, {"TEA-GREEN": 1}, timeout=READ_SECONDS)
    assert time.monotonic() - started >= 0.01 * (len(answer.content) - 1)
    assert answer.json() == INVENTORY.state(key, "reserved")


def test_an_answer_is_huge_without_a_length(sandbox, new_name):
    sandbox.fault("inventory", "huge")
    with reserve(sandbox, new_name(), {"TEA-GREEN": 1}, stream=True) as answer:
        assert "Content-Length" not in answer.headers
        assert sum(map(len, answer.iter_content(1 << 20))) > 20_000_000


def test_a_small_answer_unpacks_to_a_huge_one(sandbox, new_name):
    sandbox.fault("inventory", "gzip_bomb")
    with reserve(sandbox, new_name(), {"TEA-GREEN": 1}, stream=True) as answer:
        assert int(answer.headers["Content-Length"]) < 50_000
        assert len(answer.content) > 20_000_000


@pytest.mark.parametrize("kind", WRONG_ANSWERS)
def test_every_kind_of_nonsense_can_be_asked_for(sandbox, new_name, kind):
    key = new_name()
    sandbox.fault("inventory", "garbage", detail=kind)
    answer = reserve(sandbox, key, {"TEA-GREEN": 1})
    assert answer.status_code == 200
    try:
        body: Any = answer.json()
    except requests.exceptions.JSONDecodeError:
        body = None
    except RecursionError:
        body = None
    assert kind == "negative" or body != INVENTORY.state(key, "reserved")


@pytest.mark.parametrize(
    ("scope", "disturbed"),
    [
        ("all", {"do", "undo", "read"}),
        ("writes", {"do", "undo"}),
        ("do", {"do"}),
        ("undo", {"undo"}),
        ("reads", {"read"}),
    ],
)
def test_a_scope_says_which_calls_are_disturbed(sandbox, new_name, scope, disturbed):
    key = new_name()
    sandbox.fault("inventory", "error_after", scope=scope)
    answers = {
        "do": reserve(sandbox, key, {"TEA-GREEN": 1}),
        "read": INVENTORY.show(sandbox, key),
        "undo": INVENTORY.cancel(sandbox, key),
    }
    assert {call for call, answer in answers.items() if answer.status_code == 500} == disturbed


def test_a_fault_leaves_the_other_systems_alone(sandbox, new_name):
    sandbox.fault("inventory", "down")
    assert redeem(sandbox, new_name()).status_code == 201
    assert requests.get(sandbox.base_url, timeout=5).status_code == 200


def test_a_rate_disturbs_its_share_of_the_calls_and_the_same_ones_each_time(tmp_path):
    def run(name: str) -> list[int]:
        with RunningSandbox(tmp_path / name, seed=7) as sandbox:
            sandbox.fault("coupon", "error_before", rate=0.3)
            return [redeem(sandbox, f"R{number}").status_code for number in range(60)]

    first = run("first")
    assert 8 <= first.count(500) <= 28
    assert run("second") == first


def test_mixed_draws_from_the_faults_it_is_given(sandbox):
    sandbox.fault("coupon", "mixed", detail="error_before, rate_limited, unavailable")
    assert {redeem(sandbox, "R").status_code for _ in range(30)} == {500, 429, 503}


def test_mixed_is_always_something_that_comes_right_by_itself(sandbox, new_name):
    sandbox.fault("inventory", "mixed", rate=0.6, seconds=0.05)
    keys = [new_name() for _ in range(25)]
    for key in keys:
        done = False
        while not done:
            try:
                answer = reserve(sandbox, key, {"TEA-GREEN": 1})
                done = answer.status_code in {200, 201} and answer.json() == INVENTORY.state(key, "reserved")
            except (requests.exceptions.RequestException, ValueError):
                continue
    sandbox.clear_faults()
    assert [effects(sandbox, key) for key in keys] == [1] * len(keys)


@pytest.mark.parametrize(
    "values",
    [
        {"fault": "no-such"},
        {"fault": "later"},
        {"fault": 7},
        {"fault": "slow", "rate": 1.1},
        {"fault": "slow", "rate": "often"},
        {"fault": "slow", "seconds": -1},
        {"fault": "slow", "seconds": True},
        {"fault": "slow", "scope": "some"},
        {"fault": "garbage", "detail": "x" * 201},
        {"fault": "rate_limited", "detail": "1\r\nX: y"},
        {"fault": "rate_limited", "detail": "\u6f22"},
        {"fault": "mixed", "detail": "slow, no-such"},
    ],
)
def test_a_fault_that_cannot_be_is_refused_and_nothing_changes(sandbox, values):
    before = sandbox.faults()["coupon"]["fault"]
    answer = requests.post(f"{sandbox.base_url}/faults/coupon", json=values, timeout=5)
    assert (answer.status_code, code(answer)) == (400, "invalid_request")
    assert sandbox.faults()["coupon"]["fault"] == before


def test_a_fault_of_no_system_is_not_found(sandbox):
    assert requests.post(f"{sandbox.base_url}/faults/no-such", json={"fault": "down"}, timeout=5).status_code == 404
