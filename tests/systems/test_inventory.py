"""Inventory says of which line there is too little; what it says of anything else is left out."""

from __future__ import annotations

import json

import pytest

from orderapp.domain.outcome import Outcome, Shortage
from orderapp.systems.inventory import Inventory
from tests.systems.conftest import Wire
from tests.systems.making import effect_for, make


def refused(wire: Wire, code: str = "out_of_stock", **members: object) -> Shortage | None:
    wire.answers(409, json.dumps({"error": {"code": code, "message": "No.", **members}}))
    answer = make(Inventory).act(effect_for(Inventory))
    assert (answer.outcome, answer.code) == (Outcome.REFUSED, code)
    return answer.shortage


@pytest.mark.parametrize("available", [0, 1, 1.0])
def test_what_is_left_of_a_line_is_read(wire: Wire, available: float) -> None:
    assert refused(wire, sku="TEA-GREEN", available=available) == Shortage("TEA-GREEN", int(available))


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"sku": "TEA-GREEN"},
        {"sku": "TEA-GREEN", "available": 2},
        {"sku": "TEA-GREEN", "available": -1},
        {"sku": "TEA-GREEN", "available": True},
        {"sku": "TEA-GREEN", "available": "1"},
        {"sku": "ELSE", "available": 0},
        {"sku": ["TEA-GREEN"], "available": 0},
        {"sku": 7, "available": 0},
        {"code": "key_cancelled", "sku": "TEA-GREEN", "available": 0},
    ],
)
def test_nonsense_about_it_leaves_a_plain_refusal(wire: Wire, said: dict[str, object]) -> None:
    assert refused(wire, **said) is None  # type: ignore[arg-type]
