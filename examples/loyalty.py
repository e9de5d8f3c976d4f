"""Loyalty: credits points for a member's order. Idempotent by key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from orderapp.ext import Effect, KeyedSystem, OrderDocument, OrderRequest, Part, Repeats


class Loyalty(KeyedSystem):
    """Points of members; concerns only their orders."""

    name: ClassVar[str] = "loyalty"
    title: ClassVar[str] = "Loyalty points"
    part: ClassVar[Part] = Part.BLOCKING
    position: ClassVar[int] = 40
    repeats: ClassVar[Repeats] = Repeats(not_sent=1, unknown=1)
    example: ClassVar[Mapping[str, str]] = {"member_ref": "M-1001"}
    collection: ClassVar[str] = "credits"
    noun: ClassVar[str] = "credit"
    done_state: ClassVar[str] = "credited"

    def concerns(self, order: OrderRequest | OrderDocument) -> bool:
        """Only orders of members."""
        return bool(order.inputs["member_ref"])

    def body(self, effect: Effect) -> Mapping[str, Any]:
        """Return who gets how many points: one for each whole unit of the currency."""
        order = effect.order
        points = order.total.minor // 100
        return {"order_ref": order.number, "member_ref": order.inputs["member_ref"], "points": points}
