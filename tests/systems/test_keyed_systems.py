"""The keyed protocol, for every system that speaks it: a new one is tested here without a word about it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from orderapp.domain.outcome import Finding, Outcome
from orderapp.domain.retry import Guarantee
from orderapp.systems.declarations import refuse_impossible
from orderapp.systems.keyed import KeyedSystem
from orderapp.systems.settlement import Settlement
from tests.systems.conftest import Wire
from tests.systems.making import KEYED_KINDS, TOKEN, effect_for, make

EVERY_KEYED_SYSTEM = pytest.mark.parametrize("kind", KEYED_KINDS, ids=lambda kind: kind.name)
Kind = type[KeyedSystem]

OTHER_KEYS: list[object] = ["", "7K3M9-QXZ2F:2:inventory", "8888-88888:1:inventory", None, 1, True, [], {}]
NO_STATES: list[object] = ["", "done", "RESERVED", None, 0, 1, True, [], ["reserved"], {}]


def told(kind: Kind, **members: object) -> str:
    """Return a body of the documented shape, but for what the keywords replace; None as a value leaves it out."""
    effect = {"key": effect_for(kind).key, "state": kind.done_state, **members}
    return json.dumps({kind.noun: {name: value for name, value in effect.items() if value is not None}})


@EVERY_KEYED_SYSTEM
def test_what_it_declares_can_be_kept(kind: Kind) -> None:
    refuse_impossible(make(kind))
    assert kind.guarantee is Guarantee.IDEMPOTENT
    assert all(kind.can(verb) for verb in ("ask", "undo"))


@EVERY_KEYED_SYSTEM
def test_an_effect_is_asked_for_under_its_key_with_its_order(kind: Kind, wire: Wire) -> None:
    wire.answers(201, told(kind))
    make(kind).act(effect_for(kind))
    (call,) = wire.requests
    sent = json.loads(call.request.body or "")
    assert (call.request.method, call.request.path_url) == ("POST", f"/v1/{kind.collection}")
    assert call.request.headers["Idempotency-Key"] == f"7K3M9-QXZ2F:1:{kind.name}"
    assert call.request.headers["Authorization"] == f"Bearer {TOKEN}"
    assert call.request.headers["Content-Type"] == "application/json"
    assert sent["order_ref"] == "7K3M9-QXZ2F"


@EVERY_KEYED_SYSTEM
def test_a_repeat_sends_the_same_once_more(kind: Kind, wire: Wire) -> None:
    wire.answers(201, told(kind))
    system = make(kind)
    for _ in range(2):
        system.act(effect_for(kind))
    first, second = (call.request for call in wire.requests)
    assert (first.url, first.body, first.headers) == (second.url, second.body, second.headers)


@EVERY_KEYED_SYSTEM
def test_it_is_undone_and_asked_by_its_key(kind: Kind, wire: Wire) -> None:
    system, effect = make(kind), effect_for(kind, placement_number=3)
    wire.answers(200, told(kind, key=effect.key, state="cancelled"))
    assert system.undo(effect, None).outcome is Outcome.DONE
    assert system.ask(effect).finding is Finding.UNDONE
    undone, asked = (call.request for call in wire.requests)
    assert (undone.method, undone.path_url) == ("POST", f"/v1/{kind.collection}/{effect.key}/cancel")
    assert (asked.method, asked.path_url) == ("GET", f"/v1/{kind.collection}/{effect.key}")


@EVERY_KEYED_SYSTEM
@pytest.mark.parametrize("status", [200, 201, 202])
def test_it_happened_when_the_answer_says_so(kind: Kind, status: int, wire: Wire) -> None:
    system, effect = make(kind), effect_for(kind)
    wire.answers(status, told(kind, more="than documented"))
    answer = system.act(effect)
    assert (answer.outcome, answer.code, answer.pending) == (Outcome.DONE, "", False)
    assert system.ask(effect).finding is Finding.IN_PLACE


@EVERY_KEYED_SYSTEM
def test_a_success_about_another_effect_or_in_no_known_state_is_unknown(kind: Kind, wire: Wire) -> None:
    system, effect = make(kind), effect_for(kind)
    shapes = [told(kind, key=key) for key in OTHER_KEYS] + [told(kind, state=state) for state in NO_STATES]
    shapes += [json.dumps({kind.noun: value}) for value in (None, [], "reserved", True, [{"key": effect.key}])]
    # Right but for what no JSON has, and twice, so that others may read it otherwise.
    shapes += [told(kind)[:-1] + more for more in (', "a": NaN}', ', "a": Infinity}', ', "a": 1, "a": 1}', "", "}}")]
    shapes += [told(kind).replace(kind.noun, "effect"), json.dumps({"key": effect.key, "state": kind.done_state})]
    for body in shapes:
        wire.answers(200, body)
        assert system.act(effect).outcome is Outcome.UNKNOWN, body
        assert system.undo(effect, None).outcome is Outcome.UNKNOWN, body
        assert system.ask(effect).finding is Finding.UNCLEAR, body


@EVERY_KEYED_SYSTEM
def test_what_is_still_in_place_was_not_undone(kind: Kind, wire: Wire) -> None:
    wire.answers(200, told(kind))
    assert make(kind).undo(effect_for(kind), None).outcome is Outcome.UNKNOWN


@EVERY_KEYED_SYSTEM
@pytest.mark.parametrize(("status", "code"), [(409, "key_cancelled"), (422, "key_reused")])
def test_a_key_that_was_cancelled_or_used_for_something_else_is_refused(
    kind: Kind, status: int, code: str, wire: Wire
) -> None:
    wire.answers(status, json.dumps({"error": {"code": code, "message": "This key can't be used."}}))
    answer = make(kind).act(effect_for(kind))
    assert (answer.outcome, answer.code, answer.repeatable) == (Outcome.REFUSED, code, False)


@EVERY_KEYED_SYSTEM
def test_a_key_that_nobody_knows_is_absent(kind: Kind, wire: Wire) -> None:
    wire.answers(404, '{"error": {"code": "not_found", "message": "There is nothing under this key."}}')
    assert make(kind).ask(effect_for(kind)).finding is Finding.ABSENT


@EVERY_KEYED_SYSTEM
def test_no_answer_to_a_question_proves_absence_but_that_of_the_contract(kind: Kind, wire: Wire) -> None:
    for status in (400, 401, 403, 405, 409, 410, 422, 429, 500, 502, 503, 504):
        wire.answers(status, '{"error": {"code": "no", "message": ""}}')
        assert make(kind).ask(effect_for(kind)).finding is Finding.UNCLEAR, status


@EVERY_KEYED_SYSTEM
def test_the_check_shows_whether_address_and_token_are_right(kind: Kind, wire: Wire) -> None:
    wire.answers(404, '{"error": {"code": "not_found", "message": "There is nothing under this key."}}')
    assert make(kind).check().outcome is Outcome.DONE
    wire.answers(401, '{"error": {"code": "unauthorized", "message": "No."}}')
    assert (make(kind).check().outcome, make(kind).check().repeatable) == (Outcome.NOT_SENT, False)


@EVERY_KEYED_SYSTEM
def test_without_a_token_none_is_sent(kind: Kind, wire: Wire) -> None:
    wire.answers(201, told(kind))
    make(kind, **{f"{kind.name.upper()}_TOKEN": ""}).act(effect_for(kind))
    assert "Authorization" not in wire.requests[0].request.headers


def own_members(kind: Kind) -> dict[str, Any]:
    effect = effect_for(kind)
    return dict(make(kind).body(effect))


by_name: Callable[[str], Kind] = {kind.name: kind for kind in KEYED_KINDS}.__getitem__


def test_stock_is_reserved_for_all_lines() -> None:
    assert own_members(by_name("inventory")) == {
        "order_ref": "7K3M9-QXZ2F",
        "lines": [{"sku": "TEA-GREEN", "quantity": 2}, {"sku": "SCALE-01", "quantity": 1}],
    }


def test_a_benefit_is_consumed_of_the_member() -> None:
    assert own_members(by_name("membership")) == {
        "member_ref": "M-1001",
        "benefit": "FREE-TEA",
        "order_ref": "7K3M9-QXZ2F",
    }


def test_the_discounted_total_is_settled_under_a_pseudonym() -> None:
    members = own_members(by_name("settlement"))
    assert members.pop("customer_ref").startswith("C-")
    assert members == {"order_ref": "7K3M9-QXZ2F", "amount": {"value": 6300, "currency": "EUR"}}


SETTLEMENT_STATES = [
    ("settled", Outcome.DONE, False, Finding.IN_PLACE),
    ("pending", Outcome.DONE, True, Finding.PENDING),
    ("refused", Outcome.REFUSED, False, Finding.UNDONE),
    ("cancelled", Outcome.REFUSED, False, Finding.UNDONE),
]


@pytest.mark.parametrize(("state", "outcome", "pending", "finding"), SETTLEMENT_STATES)
def test_a_settlement_finishes_later(state: str, outcome: Outcome, pending: bool, finding: Finding, wire: Wire) -> None:
    kind = by_name("settlement")
    wire.answers(202 if pending else 200, told(kind, state=state))
    answer = make(kind).act(effect_for(kind))
    assert (answer.outcome, answer.pending) == (outcome, pending)
    assert answer.code == (f"settlement_{state}" if outcome is Outcome.REFUSED else "")
    assert make(kind).ask(effect_for(kind)).finding is finding


class Partly(Settlement):
    """One more state for each outcome."""

    def other_states(self) -> Mapping[str, Outcome]:
        return {f"is_{outcome.value}": outcome for outcome in Outcome} | {"pending": Outcome.REFUSED}


PARTLY_STATES = [
    ("settled", Outcome.DONE, Finding.IN_PLACE),
    ("is_done", Outcome.DONE, Finding.IN_PLACE),
    ("is_refused", Outcome.REFUSED, Finding.UNDONE),
    ("is_not_sent", Outcome.NOT_SENT, Finding.ABSENT),
    ("is_unknown", Outcome.UNKNOWN, Finding.UNCLEAR),
    ("pending", Outcome.REFUSED, Finding.UNDONE),
    ("cancelled", Outcome.REFUSED, Finding.UNDONE),
    ("anything", Outcome.UNKNOWN, Finding.UNCLEAR),
]


@pytest.mark.parametrize(("state", "outcome", "finding"), PARTLY_STATES)
def test_one_body_means_the_same_to_whoever_asked(state: str, outcome: Outcome, finding: Finding, wire: Wire) -> None:
    wire.answers(200, told(Partly, state=state))
    system, effect = make(Partly), effect_for(Partly)
    assert (system.act(effect).outcome, system.act(effect).pending) == (outcome, False)
    assert system.ask(effect).finding is finding


@pytest.mark.parametrize("name", ["inventory", "membership"])
def test_only_a_settlement_may_be_pending(name: str, wire: Wire) -> None:
    kind = by_name(name)
    wire.answers(202, told(kind, state="pending"))
    assert make(kind).act(effect_for(kind)).outcome is Outcome.UNKNOWN
    assert make(kind).ask(effect_for(kind)).finding is Finding.UNCLEAR
