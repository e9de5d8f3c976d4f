"""Coupon: not idempotent, known by our reference, believed only in the documented shape."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
import responses

from orderapp.domain.inputs import Inputs
from orderapp.domain.outcome import Answer, Finding, Outcome, Report
from orderapp.systems.coupon import Coupon
from tests.systems.conftest import Wire
from tests.systems.making import BASE_URL, REQUEST, effect_for, make

EFFECT = effect_for(Coupon)


@pytest.fixture
def coupon() -> Coupon:
    return make(Coupon)


def redemption(**members: object) -> dict[str, object]:
    return {"id": "r-1", "reference": EFFECT.key, "state": "redeemed", **members}


def found(*redemptions: Mapping[str, object]) -> str:
    return json.dumps({"redemptions": redemptions})


def in_place(*ids: str) -> Report:
    return Report(Finding.IN_PLACE, Answer(Outcome.DONE), ids)


def test_a_code_is_redeemed_with_our_reference_and_a_pseudonym(coupon: Coupon, wire: Wire) -> None:
    wire.answers(201, json.dumps({"redemption": redemption()}))
    assert coupon.act(EFFECT).outcome is Outcome.DONE
    sent = json.loads(wire.requests[0].request.body or "")
    assert wire.requests[0].request.path_url == "/v1/redemptions"
    assert sent.pop("customer_ref").startswith("C-")
    assert sent == {"code": "SAVE10", "order_ref": "7K3M9-QXZ2F", "reference": EFFECT.key}


def test_a_run_makes_as_many_calls_as_are_declared(coupon: Coupon, wire: Wire) -> None:
    wire.answers(200, found(redemption()))
    report = coupon.ask(EFFECT)
    coupon.undo(EFFECT, report)
    assert len(wire.requests) == Coupon.calls_per_run


BAD_IDS: list[object] = [None, "", True, 1.5, [], {}, "r\n1", "\ud800", "x" * 201]


@pytest.mark.parametrize(
    "members",
    [
        {"reference": "8888-88888:1:coupon"},
        {"reference": None},
        {"state": "voided"},
        {"state": "active"},
        {"state": ["redeemed"]},
        *({"id": value} for value in BAD_IDS),
    ],
)
def test_a_redemption_of_no_documented_shape_is_unknown(
    members: Mapping[str, object], coupon: Coupon, wire: Wire
) -> None:
    wire.answers(201, json.dumps({"redemption": redemption(**members)}))
    assert coupon.act(EFFECT).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("status", "code", "outcome"),
    [
        (409, "coupon_used_up", Outcome.REFUSED),
        (409, "coupon_expired", Outcome.REFUSED),
        (404, "coupon_not_found", Outcome.REFUSED),
        (404, "no_such_page", Outcome.NOT_SENT),
    ],
)
def test_a_code_that_cannot_be_redeemed_is_refused(
    status: int, code: str, outcome: Outcome, coupon: Coupon, wire: Wire
) -> None:
    wire.answers(status, json.dumps({"error": {"code": code, "message": "No."}}))
    answer = coupon.act(EFFECT)
    assert (answer.outcome, answer.code, answer.repeatable) == (outcome, code, False)


@pytest.mark.parametrize(
    ("listed", "finding", "effects"),
    [
        ([], Finding.ABSENT, ()),
        ([redemption()], Finding.IN_PLACE, ("r-1",)),
        ([redemption(id=17)], Finding.IN_PLACE, ("17",)),
        ([redemption(state="voided")], Finding.UNDONE, ()),
        ([redemption(state="voided"), redemption(id="r-2"), redemption(id="r-3")], Finding.IN_PLACE, ("r-2", "r-3")),
    ],
)
def test_what_is_in_place_is_asked_by_our_reference(
    listed: list[Mapping[str, object]], finding: Finding, effects: tuple[str, ...], coupon: Coupon, wire: Wire
) -> None:
    wire.answers(200, found(*listed))
    report = coupon.ask(EFFECT)
    assert (report.finding, report.effects) == (finding, effects)
    asked = urlsplit(wire.requests[0].request.url)
    assert (asked.path, parse_qs(asked.query)) == ("/v1/redemptions", {"reference": [EFFECT.key]})


@pytest.mark.parametrize(
    "body",
    [
        found(redemption(reference="8888-88888:1:coupon")),
        found(redemption(), redemption(state="lost")),
        *(found(redemption(id=value)) for value in BAD_IDS),
        '{"redemptions": {}}',
        '{"redemptions": null}',
        '{"redemptions": ["r-1"]}',
        '{"redemption": []}',
    ],
)
def test_a_list_that_holds_anything_else_says_nothing(body: str, coupon: Coupon, wire: Wire) -> None:
    wire.answers(200, body)
    report = coupon.ask(EFFECT)
    assert (report.finding, report.answer.outcome) == (Finding.UNCLEAR, Outcome.UNKNOWN)


def voids(wire: Wire, redemption_id: str, status: int, body: object) -> None:
    wire.mock.add("POST", f"{BASE_URL}/v1/redemptions/{redemption_id}/void", json=body, status=status)


def test_everything_that_is_in_place_is_voided_by_its_own_id(coupon: Coupon, wire: Wire) -> None:
    for redemption_id in ("r-1", "r-2"):
        voids(wire, redemption_id, 200, {"redemption": {"id": redemption_id, "state": "voided"}})
    answer = coupon.undo(EFFECT, in_place("r-1", "r-2"))
    assert (answer.outcome, len(answer.exchanges)) == (Outcome.DONE, 2)


def test_what_was_voided_already_is_undone(coupon: Coupon, wire: Wire) -> None:
    voids(wire, "r-1", 409, {"error": {"code": "already_voided", "message": "It was voided before."}})
    assert coupon.undo(EFFECT, in_place("r-1")).outcome is Outcome.DONE


@pytest.mark.parametrize(
    "body",
    [
        {"redemption": {"id": "r-2", "state": "voided"}},
        {"redemption": {"id": "r-1", "state": "redeemed"}},
        {"redemption": {"state": "voided"}},
        {"redemption": []},
        {},
    ],
)
def test_it_is_undone_only_when_the_answer_says_so_of_this_one(body: object, coupon: Coupon, wire: Wire) -> None:
    voids(wire, "r-1", 200, body)
    assert coupon.undo(EFFECT, in_place("r-1", "r-2")).outcome is Outcome.UNKNOWN
    assert len(wire.requests) == 1, "the rest waits for the next run"


def test_an_id_cannot_lead_to_another_address(coupon: Coupon, wire: Wire) -> None:
    wire.answers(404)
    coupon.undo(EFFECT, in_place("../../v2?x=1#y"))
    assert wire.requests[0].request.path_url == "/v1/redemptions/..%2F..%2Fv2%3Fx%3D1%23y/void"


@pytest.mark.parametrize("report", [None, Report(Finding.ABSENT, Answer(Outcome.DONE))])
def test_without_a_report_of_what_is_in_place_it_never_claims_to_be_undone(
    report: Report | None, coupon: Coupon
) -> None:
    with responses.RequestsMock(), pytest.raises(ValueError, match="ask first"):
        coupon.undo(EFFECT, report)


def told(state: object = "active", code: object = "SAVE10", **discount: object) -> str:
    return json.dumps({"coupon": {"code": code, "state": state, "discount": discount}})


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (told(kind="percent", value=10), ("percent", 10, "")),
        (told(kind="percent", value=0), ("percent", 0, "")),
        (told(kind="percent", value=100), ("percent", 100, "")),
        (told(kind="amount", value=500, currency="EUR"), ("amount", 500, "EUR")),
        (told(kind="percent", value=10.0), ("percent", 10, "")),
        (told(kind="amount", value=500.0, currency="EUR"), ("amount", 500, "EUR")),
        (told(code="save10", kind="percent", value=10), ("percent", 10, "")),
    ],
)
def test_a_code_is_quoted_with_its_discount(
    body: str, expected: tuple[str, int, str], coupon: Coupon, wire: Wire
) -> None:
    wire.answers(200, body)
    quote = coupon.quote(REQUEST)
    assert quote is not None
    assert (quote.kind, quote.value, quote.currency, quote.code.upper()) == (*expected, "SAVE10")
    assert quote.code == quote.spelt["coupon"] == json.loads(body)["coupon"]["code"], "as the system spells it"
    assert (quote.refused, quote.field) == ("", "")


UNUSABLE_DISCOUNTS: list[dict[str, object]] = [
    {},
    {"kind": "percent"},
    {"kind": "percent", "value": -1},
    {"kind": "percent", "value": 101},
    {"kind": "percent", "value": 10**6},
    {"kind": "percent", "value": True},
    {"kind": "percent", "value": 10.5},
    {"kind": "percent", "value": 1e300},
    {"kind": "percent", "value": "10"},
    {"kind": "percent", "value": None},
    {"kind": "amount", "value": -500, "currency": "EUR"},
    {"kind": "amount", "value": 10**13, "currency": "EUR"},
    {"kind": "amount", "value": True, "currency": "EUR"},
    {"kind": "amount", "value": 500},
    {"kind": "amount", "value": 500, "currency": None},
    {"kind": "amount", "value": 500, "currency": "EURO"},
    {"kind": "amount", "value": 500, "currency": ["E", "U", "R"]},
    {"kind": "gift", "value": 1},
    {"kind": ["percent"], "value": 10},
]


@pytest.mark.parametrize(
    "body",
    [
        *(told(**discount) for discount in UNUSABLE_DISCOUNTS),
        told(state="paused", kind="percent", value=10),
        told(state=["used_up"], kind="percent", value=10),
        told(state=None, kind="percent", value=10),
        told(code="OTHER", kind="percent", value=10),
        told(code=None, state="used_up"),
        told(code="OTHER", state="used_up"),
        '{"coupon": [{"code": "SAVE10"}]}',
        '{"coupon": {"code": "SAVE10", "state": "active", "discount": [10]}}',
    ],
)
def test_a_discount_of_no_documented_shape_is_none(body: str, coupon: Coupon, wire: Wire) -> None:
    wire.answers(200, body)
    quote = coupon.quote(REQUEST)
    assert quote is not None
    assert (quote.kind, quote.refused, quote.answer.outcome) == ("", "", Outcome.UNKNOWN)


@pytest.mark.parametrize("state", ["used_up", "expired"])
def test_a_code_that_is_over_is_refused_before_anything_is_reserved(state: str, coupon: Coupon, wire: Wire) -> None:
    wire.answers(200, told(state=state, kind="percent", value=10))
    quote = coupon.quote(REQUEST)
    assert quote is not None
    assert (quote.refused, quote.field, quote.kind) == (f"coupon_{state}", "", "")


def test_a_code_that_nobody_knows_is_a_mistake_in_its_field(coupon: Coupon, wire: Wire) -> None:
    wire.answers(404)
    quote = coupon.quote(replace(REQUEST, inputs=Inputs(coupon="A.B:C-1_x")))
    assert quote is not None
    assert (quote.refused, quote.field) == ("coupon_not_found", "coupon")
    assert wire.requests[0].request.path_url == "/v1/coupons/A.B%3AC-1_x"


def test_it_concerns_only_orders_with_a_code(coupon: Coupon) -> None:
    assert coupon.concerns(REQUEST)
    assert coupon.concerns(EFFECT.order)
    assert not coupon.concerns(replace(REQUEST, inputs=Inputs()))


def test_the_late_window_is_a_setting() -> None:
    assert make(Coupon).late_window_seconds == 10
    assert make(Coupon, COUPON_LATE_SECONDS="0.5").late_window_seconds == 0.5
