"""Settlement: charges the order. Idempotent by key; it may finish later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from orderapp.ext import Effect, KeyedSystem, OrderDocument, OrderRequest, Outcome, Part, customer_ref


class Settlement(KeyedSystem):
    """Financial settlement of confirmed orders."""

    name: ClassVar[str] = "settlement"
    title: ClassVar[str] = "Settlement"
    part: ClassVar[Part] = Part.SETTLE
    required: ClassVar[bool] = True
    collection: ClassVar[str] = "settlements"
    noun: ClassVar[str] = "settlement"
    done_state: ClassVar[str] = "settled"

    def concerns(self, order: OrderRequest | OrderDocument) -> bool:
        """Return True, because every order is settled."""
        return True

    def body(self, effect: Effect) -> Mapping[str, Any]:
        """Return who pays how much."""
        order = effect.order
        return {
            "order_ref": order.number,
            "customer_ref": customer_ref(order.customer),
            "amount": order.total.as_json(),
        }

    def other_states(self) -> Mapping[str, Outcome]:
        """Return `pending` as a state that isn't a failure: the task asks again later."""
        return {"pending": Outcome.DONE, "refused": Outcome.REFUSED, "cancelled": Outcome.REFUSED}
