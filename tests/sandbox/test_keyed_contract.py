"""What the contract says of every system that is idempotent by key."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from orderapp.sandbox.settings import KeyedDeclaration, keyed_systems
from orderapp.systems.registry import system_classes
from tests.sandbox.calls import INVENTORY, KEYED, Keyed, code
from tests.sandbox.running import RunningSandbox

for_each_system = pytest.mark.parametrize("system", KEYED, ids=lambda system: system.system)


def effects(sandbox: RunningSandbox, order_ref: str) -> list[str]:
    return [effect["effect"] for effect in sandbox.ledger(order_ref)["effects"]]


@for_each_system
def test_a_new_key_is_done_and_answered_201(sandbox, new_name, system: Keyed):
    key = new_name()
    answer = system.post(sandbox, key, system.content(key))
    assert (answer.status_code, answer.json()) == (201, system.state(key, system.done))
    assert answer.headers["Content-Type"] == "application/json"
    assert effects(sandbox, key) == ["do"]


@for_each_system
def test_the_same_key_and_content_again_is_answered_200_without_a_second_effect(sandbox, new_name, system: Keyed):
    key = new_name()
    first = system.post(sandbox, key, system.content(key))
    reordered = dict(reversed(system.content(key).items()))
    again = system.post(sandbox, key, reordered)
    assert (again.status_code, again.content) == (200, first.content)
    assert effects(sandbox, key) == ["do"]


@for_each_system
def test_the_same_key_with_other_content_is_refused_as_reused(sandbox, new_name, system: Keyed):
    key, other = new_name(), new_name()
    system.post(sandbox, key, system.content(key))
    answer = system.post(sandbox, key, system.content(other))
    assert (answer.status_code, code(answer)) == (422, "key_reused")
    assert effects(sandbox, other) == []


@for_each_system
def test_a_cancel_undoes_once_however_often_it_comes(sandbox, new_name, system: Keyed):
    key = new_name()
    system.post(sandbox, key, system.content(key))
    for _ in range(3):
        answer = system.cancel(sandbox, key)
        assert (answer.status_code, answer.json()) == (200, system.state(key, "cancelled"))
    assert effects(sandbox, key) == ["do", "undo"]
    assert sandbox.held(key) == {}


@for_each_system
def test_a_cancelled_key_is_refused_for_good(sandbox, new_name, system: Keyed):
    key = new_name()
    system.post(sandbox, key, system.content(key))
    system.cancel(sandbox, key)
    for order_ref in (key, new_name()):
        answer = system.post(sandbox, key, system.content(order_ref))
        assert (answer.status_code, code(answer)) == (409, "key_cancelled")
    assert effects(sandbox, key) == ["do", "undo"]


@for_each_system
def test_a_cancel_before_the_action_keeps_it_from_ever_happening(sandbox, new_name, system: Keyed):
    key = new_name()
    cancelled = system.cancel(sandbox, key)
    late = system.post(sandbox, key, system.content(key))
    assert (cancelled.status_code, cancelled.json()) == (200, system.state(key, "cancelled"))
    assert (late.status_code, code(late)) == (409, "key_cancelled")
    assert system.show(sandbox, key).json() == system.state(key, "cancelled")
    assert effects(sandbox, key) == []


@for_each_system
def test_a_key_can_be_asked_for(sandbox, new_name, system: Keyed):
    key = new_name()
    assert system.show(sandbox, key).status_code == 404
    system.post(sandbox, key, system.content(key))
    answer = system.show(sandbox, key)
    assert (answer.status_code, answer.json()) == (200, system.state(key, system.done))
    system.cancel(sandbox, key)
    assert system.show(sandbox, key).json() == system.state(key, "cancelled")


@for_each_system
def test_many_at_once_with_one_key_have_one_effect(sandbox, new_name, system: Keyed):
    key = new_name()
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: system.post(sandbox, key, system.content(key)), range(12)))
    assert sorted(answer.status_code for answer in answers) == [200] * 11 + [201]
    assert len({answer.content for answer in answers}) == 1
    assert effects(sandbox, key) == ["do"]


@for_each_system
def test_cancels_and_actions_at_once_leave_nothing(sandbox, new_name, system: Keyed):
    key = new_name()
    with ThreadPoolExecutor(12) as pool:
        calls = [pool.submit(system.post, sandbox, key, system.content(key)) for _ in range(6)]
        calls += [pool.submit(system.cancel, sandbox, key) for _ in range(6)]
    assert all(call.result().status_code in {200, 201, 409} for call in calls)
    assert sandbox.held(key) == {}
    assert system.show(sandbox, key).json() == system.state(key, "cancelled")


@pytest.mark.parametrize("key", ["x" * 65, "a b", "a/b", "é", "a\tb"])
def test_a_key_outside_the_agreed_characters_or_length_is_refused(sandbox, key):
    answer = requests.post(
        INVENTORY.address(sandbox),
        json=INVENTORY.content("A"),
        headers={"Idempotency-Key": key.encode()},
        timeout=5,
    )
    assert (answer.status_code, code(answer)) == (400, "invalid_request")


def test_a_key_of_64_of_the_agreed_characters_is_taken(sandbox, new_name):
    key = f"{new_name()}._:-".ljust(64, "x")
    assert INVENTORY.post(sandbox, key, INVENTORY.content(key)).status_code == 201
    assert INVENTORY.cancel(sandbox, key).status_code == 200


def test_a_missing_key_is_told(sandbox):
    answer = INVENTORY.post(sandbox, "", INVENTORY.content("A"))
    assert (answer.status_code, code(answer)) == (400, "idempotency_key_missing")


@for_each_system
@pytest.mark.parametrize("change", [{"order_ref": None}, {"order_ref": 1}, {"order_ref": "x y"}, {"surplus": 1}])
def test_members_that_are_not_as_agreed_are_refused(sandbox, new_name, system: Keyed, change):
    key = new_name()
    answer = system.post(sandbox, key, {**system.content(key), **change})
    assert (answer.status_code, code(answer)) == (400, "invalid_request")
    assert system.show(sandbox, key).status_code == 404


@for_each_system
def test_every_member_is_needed(sandbox, new_name, system: Keyed):
    key = new_name()
    for name in system.content(key):
        without = {other: value for other, value in system.content(key).items() if other != name}
        answer = system.post(sandbox, key, without)
        assert (answer.status_code, answer.json()["error"]["field"]) == (400, name)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"a": NaN}',
        b'{"a": 1, "a": 2}',
        b'{"\xff": 1}',
        b"[" * 100_000,
        b'{"a": ' + b"9" * 5000 + b"}",
    ],
    ids=lambda body: repr(body[:12]),
)
def test_a_body_that_is_no_json_object_is_refused(sandbox, body):
    headers = {"Idempotency-Key": "never", "Content-Type": "application/json"}
    answer = requests.post(INVENTORY.address(sandbox), data=body, headers=headers, timeout=5)
    assert (answer.status_code, code(answer)) == (400, "invalid_request")


def test_errors_of_the_transport_have_the_same_shape(sandbox):
    url, key = INVENTORY.address(sandbox), {"Idempotency-Key": "never"}
    big = b'{"order_ref": "' + b"x" * 300_000 + b'"}'
    answers = {
        415: requests.post(url, data="order_ref=1", headers=key, timeout=5),
        413: requests.post(url, data=big, headers={**key, "Content-Type": "application/json"}, timeout=5),
        404: requests.get(f"{sandbox.url('inventory')}/v2/anything", timeout=5),
        405: requests.put(url, json={}, headers=key, timeout=5),
    }
    assert {status: answer.status_code for status, answer in answers.items()} == {status: status for status in answers}
    assert all(code(answer) for answer in answers.values())


def test_the_connectors_declare_what_the_contract_says():
    written_here = {KeyedDeclaration(one.system, one.collection, one.noun, one.done) for one in KEYED}
    assert written_here <= set(keyed_systems(system_classes()))


def test_a_new_keyed_system_is_stood_in_for_without_more(tmp_path):
    loyalty = Keyed("loyalty", "credits", "credit", "credited", {"points": 7})
    with RunningSandbox(tmp_path, kinds=system_classes(("examples.loyalty",))) as sandbox:
        assert loyalty.post(sandbox, "K1", loyalty.content("A")).json() == loyalty.state("K1", "credited")
        assert loyalty.post(sandbox, "K1", loyalty.content("A")).status_code == 200
        assert loyalty.post(sandbox, "K1", loyalty.content("B")).status_code == 422
        assert sandbox.held("A") == {"loyalty": 1}
        assert loyalty.cancel(sandbox, "K1").json() == loyalty.state("K1", "cancelled")
        assert sandbox.held("A") == {}
        assert [row["key"] for row in sandbox.rows("credits")] == ["K1"]
        sandbox.fault("loyalty", "error_before")
        assert loyalty.post(sandbox, "K2", loyalty.content("A")).status_code == 500
        assert "Loyalty" in requests.get(sandbox.base_url, timeout=5).text
