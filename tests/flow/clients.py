"""API clients that place orders as other people's programs do, repeating what got no answer."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests

ORDERS = itertools.count(1)
# What a client repeats with the same key: the moment was wrong, or nobody knows what became of it.
REPEATED = frozenset({"in_progress", "database_unavailable", "overloaded"})
PATIENCE_SECONDS = 45.0  # longer than a lease takes to run out, with time to compensate what it held
PAUSE_SECONDS = 0.3


@dataclass(frozen=True)
class Answered:
    """The final answer to one order: under which key, with which status, code and order."""

    key: str
    status: int
    code: str
    order: Mapping[str, Any]


class Clients:
    """Draws orders, and places them through the API of one installation."""

    def __init__(self, base_url: str, token: str, seed: int) -> None:
        self._url = f"{base_url}/api/v1/orders"
        self._token = token
        self._random = random.Random(seed)

    def place_one(self, content: Mapping[str, Any]) -> Answered:
        """Place one order, with one key, until there is a final answer. Raises TimeoutError if there is none."""
        key = content["customer"]["email"].partition("@")[0]
        ends_at = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < ends_at:
            try:
                answer = requests.post(self._url, json=content, headers=self._headers(key), timeout=30)
            except requests.RequestException:  # no answer, or half of one
                time.sleep(PAUSE_SECONDS)
                continue
            body = answer.json()
            code = body.get("code", "")
            if code not in REPEATED and "order" in body:
                return Answered(key, answer.status_code, code, body["order"])
            if code not in REPEATED:
                raise AssertionError(f"{answer.status_code} {answer.text}")
            time.sleep(PAUSE_SECONDS)
        raise TimeoutError(f"no final answer for {key} within {PATIENCE_SECONDS} seconds")

    def content(self) -> dict[str, Any]:
        """Return a new customer's order: some with codes, some that a system will refuse."""
        number = next(ORDERS)
        skus = self._random.choices([["TEA-GREEN"], ["TEA-GREEN", "TEA-BLACK"], ["SCALE-01"]], [6, 3, 1])[0]
        lines = [{"sku": sku, "quantity": self._random.randint(1, 3)} for sku in skus]
        customer = {"name": "Ada Lovelace", "email": f"client-{number}@example.com", "phone": "+4930901820"}
        content: dict[str, Any] = {"customer": customer, "lines": lines}
        coupon = self._random.choices(["", "WELCOME10", "USEDUP"], [4, 5, 1])[0]
        member, benefit = self._random.choices([("", ""), ("M-1001", "VIP5"), ("M-1003", "VIP5")], [4, 5, 1])[0]
        if coupon:
            content["coupon"] = coupon
        if benefit:
            content["benefit"] = benefit
            customer["member_ref"] = member
        return content

    def plain_content(self) -> dict[str, Any]:
        """Return a new customer's order that no system refuses."""
        return {**self.content(), "lines": [{"sku": "TEA-GREEN", "quantity": 1}], "coupon": "", "benefit": ""}

    def _headers(self, key: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}", "Idempotency-Key": key}
