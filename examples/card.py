"""A card payment: authorised while the customer waits, captured as a task; voided or refunded when the order ends.

Both speak the keyed protocol, so the sandbox stands in for them. The acquirer calls back when a capture that stayed
pending is decided, signed with CAPTURE_CALLBACK_SECRET as Standard Webhooks say.

Run it: ORDERAPP_PLUGINS=examples.card make run
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from orderapp.ext import (
    Answer,
    Backoff,
    Callback,
    Effect,
    Environment,
    KeyedSystem,
    OnRefusal,
    OrderDocument,
    OrderRequest,
    Outcome,
    Part,
    Progress,
    Quote,
    Repeats,
    customer_ref,
)


class Authorisation(KeyedSystem):
    """Reserves the amount on the customer's card; its undo is a void."""

    name: ClassVar[str] = "card"
    title: ClassVar[str] = "Card"
    part: ClassVar[Part] = Part.BLOCKING
    is_payment: ClassVar[bool] = True
    position: ClassVar[int] = 90  # last: the customer's money is asked for once everything else is reserved
    repeats: ClassVar[Repeats] = Repeats(not_sent=1, unknown=1)
    refusals: ClassVar[Mapping[str, str]] = {"card_declined": "Your bank declined the payment. Use another card."}
    collection: ClassVar[str] = "authorisations"
    noun: ClassVar[str] = "authorisation"
    done_state: ClassVar[str] = "authorised"

    def concerns(self, order: OrderRequest | OrderDocument) -> bool:
        """Return True: every order is paid by card."""
        return True

    def quote(self, request: OrderRequest) -> Quote:
        """Return that the card pays all that is left, so that nothing is left for the settlement."""
        return Quote(Answer(Outcome.DONE), kind="percent", value=100)

    def body(self, effect: Effect) -> Mapping[str, Any]:
        """Return who pays how much."""
        order = effect.order
        payer, amount = customer_ref(order.customer), order.taken_off(self)
        return {"order_ref": order.number, "customer_ref": payer, "amount": amount.as_json()}


class Capture(KeyedSystem):
    """Takes the reserved amount; its undo is a refund. If the bank refuses, the order is cancelled."""

    name: ClassVar[str] = "capture"
    title: ClassVar[str] = "Card payment"
    part: ClassVar[Part] = Part.TASK
    on_refusal: ClassVar[OnRefusal] = OnRefusal.CANCELS_ORDER
    progress: ClassVar[Progress] = Progress("Being taken from your card", "Taken from your card")
    collection: ClassVar[str] = "captures"
    noun: ClassVar[str] = "capture"
    done_state: ClassVar[str] = "captured"

    def __init__(self, env: Environment, backoff: Backoff) -> None:
        super().__init__(env, backoff)
        self._callback_secret = env.text("CAPTURE_CALLBACK_SECRET")

    def concerns(self, order: OrderRequest | OrderDocument) -> bool:
        """Return True: what was authorised is captured."""
        return True

    def body(self, effect: Effect) -> Mapping[str, Any]:
        """Return what to capture."""
        return {"order_ref": effect.order.number, "authorisation": effect.key_of(Authorisation.name)}

    def other_states(self) -> Mapping[str, Outcome]:
        """Return `pending` as a state that isn't a failure, and `refused`."""
        return {"pending": Outcome.DONE, "refused": Outcome.REFUSED}

    def hear(self, callback: Callback) -> Iterable[str] | None:
        """Return the key of the capture that was decided."""
        return [callback.json["capture"]["key"]] if callback.signed_by(self._callback_secret) else None
