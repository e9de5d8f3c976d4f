"""Settlement: charges the order. Idempotent by key; it may finish later."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from orderapp.ext import (
    Backoff,
    Callback,
    Effect,
    Environment,
    Errand,
    KeyedSystem,
    OrderDocument,
    OrderRequest,
    Outcome,
    Part,
    customer_ref,
)


class Settlement(KeyedSystem):
    """Financial settlement of confirmed orders."""

    name: ClassVar[str] = "settlement"
    title: ClassVar[str] = "Settlement"
    part: ClassVar[Part] = Part.SETTLE
    errand: ClassVar[Errand] = Errand("take payment", "refund the payment")
    required: ClassVar[bool] = True
    collection: ClassVar[str] = "settlements"
    noun: ClassVar[str] = "settlement"
    done_state: ClassVar[str] = "settled"

    def __init__(self, env: Environment, backoff: Backoff) -> None:
        super().__init__(env, backoff)
        self._callback_secret = env.text("SETTLEMENT_CALLBACK_SECRET")

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

    def hear(self, callback: Callback) -> Iterable[str] | None:
        """Return the settlement's key, if the callback is signed with `SETTLEMENT_CALLBACK_SECRET`."""
        if not callback.signed_by(self._callback_secret):
            return None
        settlement = callback.json.get("settlement")
        return [settlement["key"]] if isinstance(settlement, dict) else []

    def other_states(self) -> Mapping[str, Outcome]:
        """Return `pending` as a state that isn't a failure: the task asks again later."""
        return {"pending": Outcome.DONE, "refused": Outcome.REFUSED, "cancelled": Outcome.REFUSED}
