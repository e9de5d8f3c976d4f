"""The calls of the contract, written out by hand, so that a test reads like the contract."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import requests

from tests.sandbox.running import RunningSandbox

Json = dict[str, Any]
ANSWER_SECONDS = 5  # far more than any undisturbed answer takes


@dataclass(frozen=True)
class Keyed:
    """What the contract says of one keyed system."""

    system: str
    collection: str
    noun: str
    done: str
    body: Json

    def content(self, order_ref: str) -> Json:
        return {**self.body, "order_ref": order_ref}

    def address(self, sandbox: RunningSandbox) -> str:
        return f"{sandbox.url(self.system)}/v1/{self.collection}"

    def post(self, sandbox: RunningSandbox, key: str, body: object, **kwargs: Any) -> requests.Response:
        headers = {"Idempotency-Key": key} if key else {}
        return requests.post(self.address(sandbox), json=body, headers=headers, **{"timeout": ANSWER_SECONDS, **kwargs})

    def cancel(self, sandbox: RunningSandbox, key: str) -> requests.Response:
        return requests.post(f"{self.address(sandbox)}/{key}/cancel", timeout=ANSWER_SECONDS)

    def show(self, sandbox: RunningSandbox, key: str) -> requests.Response:
        return requests.get(f"{self.address(sandbox)}/{key}", timeout=ANSWER_SECONDS)

    def state(self, key: str, state: str) -> Json:
        """The body that tells the state of a key."""
        return {self.noun: {"key": key, "state": state}}


INVENTORY = Keyed(
    "inventory", "reservations", "reservation", "reserved", {"lines": [{"sku": "TEA-GREEN", "quantity": 1}]}
)
MEMBERSHIP = Keyed("membership", "consumptions", "consumption", "consumed", {"member_ref": "M-1001", "benefit": "VIP5"})
SETTLEMENT = Keyed(
    "settlement",
    "settlements",
    "settlement",
    "settled",
    {"customer_ref": "C-1", "amount": {"value": 1990, "currency": "EUR"}},
)
KEYED = (INVENTORY, MEMBERSHIP, SETTLEMENT)


def code(answer: requests.Response) -> str:
    """Return the code of an error body, which has to have a message too."""
    error = answer.json()["error"]
    assert error["message"]
    return str(error["code"])


def reserve(sandbox: RunningSandbox, key: str, quantities: dict[str, int], **kwargs: Any) -> requests.Response:
    lines = [{"sku": sku, "quantity": quantity} for sku, quantity in quantities.items()]
    return INVENTORY.post(sandbox, key, {"order_ref": key, "lines": lines}, **kwargs)


def redeem(sandbox: RunningSandbox, reference: str, coupon: str = "WELCOME10", **kwargs: Any) -> requests.Response:
    body = {"code": coupon, "order_ref": reference, "reference": reference, "customer_ref": "C-1"}
    url = f"{sandbox.url('coupon')}/v1/redemptions"
    return requests.post(url, json=body, **{"timeout": ANSWER_SECONDS, **kwargs})


def redemptions(sandbox: RunningSandbox, reference: str) -> list[Json]:
    url = f"{sandbox.url('coupon')}/v1/redemptions"
    found: list[Json] = requests.get(url, params={"reference": reference}, timeout=ANSWER_SECONDS).json()["redemptions"]
    return found


def void(sandbox: RunningSandbox, redemption_id: str) -> requests.Response:
    return requests.post(f"{sandbox.url('coupon')}/v1/redemptions/{redemption_id}/void", timeout=ANSWER_SECONDS)
