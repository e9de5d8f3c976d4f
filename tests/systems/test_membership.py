"""Membership: what a member's benefit is worth, believed only in the documented shape."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from orderapp.domain.inputs import Inputs
from orderapp.domain.outcome import Outcome, Quote
from orderapp.systems.membership import Membership
from orderapp.systems.registry import Systems
from tests.systems.conftest import Wire
from tests.systems.making import REQUEST, make

HALF = {"kind": "percent", "value": 50}


def benefit(**members: object) -> dict[str, object]:
    return {"code": "FREE-TEA", "title": "Free tea", "remaining": 2, "discount": HALF, **members}


def told(*benefits: object, ref: object = "M-1001") -> str:
    member = {"ref": ref, "name": "Zoë, as they know her", "tier": "gold", "benefits": benefits}
    return json.dumps({"member": member})


def quoted(wire: Wire, status: int, body: str) -> Quote:
    wire.answers(status, body)
    systems = Systems({Membership.name: make(Membership)})
    quote = systems[Membership.name].quote(REQUEST)
    assert quote is not None
    return quote


def test_a_benefit_is_quoted_with_its_discount(wire: Wire) -> None:
    quote = quoted(wire, 200, told(benefit(code="OTHER"), benefit()))
    assert (quote.kind, quote.value, quote.code, quote.refused) == ("percent", 50, "FREE-TEA", "")
    assert wire.requests[0].request.path_url == "/v1/members/M-1001"


@pytest.mark.parametrize(
    ("status", "body", "refused", "field"),
    [
        (404, "", "benefit_not_found", "benefit"),
        (200, told(), "benefit_not_found", "benefit"),
        (200, told(benefit(code="OTHER")), "benefit_not_found", "benefit"),
        (200, told(benefit(remaining=0)), "benefit_exhausted", ""),
        (200, told(benefit(remaining=-1)), "benefit_exhausted", ""),
    ],
)
def test_a_benefit_that_cannot_be_used_is_refused_before_anything_is_reserved(
    status: int, body: str, refused: str, field: str, wire: Wire
) -> None:
    quote = quoted(wire, status, body)
    assert (quote.refused, quote.field, quote.kind) == (refused, field, "")


@pytest.mark.parametrize(
    "body",
    [
        told(benefit(), ref="M-2002"),
        told(benefit(), ref=None),
        told("FREE-TEA"),
        told(benefit(), None),
        told(benefit(remaining=None)),
        told(benefit(remaining=True)),
        told(benefit(remaining=False)),
        told(benefit(remaining="2")),
        told(benefit(remaining=1.5)),
        told(benefit(discount=None)),
        told(benefit(discount={"kind": "percent", "value": 10**6})),
        told(benefit(discount={"kind": "amount", "value": -1, "currency": "EUR"})),
        '{"member": {"ref": "M-1001"}}',
        '{"member": {"ref": "M-1001", "benefits": {}}}',
        '{"member": []}',
    ],
)
def test_a_member_of_no_documented_shape_is_none(body: str, wire: Wire) -> None:
    quote = quoted(wire, 200, body)
    assert (quote.kind, quote.refused, quote.answer.outcome) == ("", "", Outcome.UNKNOWN)


def test_what_the_system_tells_of_the_member_is_not_kept(wire: Wire) -> None:
    (exchange,) = quoted(wire, 200, told(benefit())).answer.exchanges
    assert "Zo" not in exchange.response
    assert "M-1001" not in exchange.request + exchange.response
    assert "FREE-TEA" in exchange.response


def test_it_concerns_only_orders_with_a_benefit() -> None:
    assert make(Membership).concerns(REQUEST)
    assert not make(Membership).concerns(replace(REQUEST, inputs=Inputs(member_ref="M-1001")))
