"""Inventory: reserves the stock of an order's lines. Idempotent by key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import urlencode

from orderapp.ext import (
    Effect,
    Errand,
    KeyedSystem,
    OrderDocument,
    OrderRequest,
    Outcome,
    Part,
    Progress,
    Received,
    Repeats,
    Shortage,
    error_code,
    whole,
)


class Inventory(KeyedSystem):
    """Stock reservations; all lines of an order or none."""

    name: ClassVar[str] = "inventory"
    title: ClassVar[str] = "Stock"
    part: ClassVar[Part] = Part.BLOCKING
    errand: ClassVar[Errand] = Errand("reserve the stock", "release the stock")
    progress: ClassVar[Progress] = Progress("Reserving your products", "Reserved")
    required: ClassVar[bool] = True
    refusals: ClassVar[Mapping[str, str]] = {
        "out_of_stock": "Something in your order isn't in stock in that quantity. Order less of it, or something else."
    }
    position: ClassVar[int] = 10  # "out of stock" is the most common refusal
    repeats: ClassVar[Repeats] = Repeats(not_sent=1, unknown=1)
    collection: ClassVar[str] = "reservations"
    noun: ClassVar[str] = "reservation"
    done_state: ClassVar[str] = "reserved"

    def concerns(self, order: OrderRequest | OrderDocument) -> bool:
        """Return True, because every order takes stock."""
        return True

    def shortage(self, received: Received, effect: Effect) -> Shortage | None:
        """Return what the refusal "out of stock" names, if it is a line of the order with more than is available."""
        error = (received.body or {}).get("error")
        if not isinstance(error, dict) or error_code(received) != "out_of_stock":
            return None
        sku, available = error.get("sku"), whole(error.get("available"))
        if not isinstance(sku, str) or available is None:
            return None
        wanted = sum(line.quantity for line in effect.order.lines if line.sku == sku)
        return Shortage(sku, available) if 0 <= available < wanted else None

    def stock(self, skus: Sequence[str]) -> Mapping[str, int] | None:
        """Ask how many of these products are available."""
        received = self.http.call("GET", f"/v1/stock?{urlencode([('sku', sku) for sku in skus])}")
        rows = (received.body or {}).get("stock")
        if received.answer.outcome is not Outcome.DONE or not isinstance(rows, list):
            return None
        told = {row.get("sku"): whole(row.get("available")) for row in rows if isinstance(row, dict)}
        return {sku: max(0, told[sku] or 0) for sku in skus if told.get(sku) is not None}

    def body(self, effect: Effect) -> Mapping[str, Any]:
        """Return the lines to reserve."""
        lines = [{"sku": line.sku, "quantity": line.quantity} for line in effect.order.lines]
        return {"order_ref": effect.order.number, "lines": lines}
