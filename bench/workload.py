"""Makes the orders. Each has a coupon, a member's benefit and a phone number, so that it calls all systems."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Item:
    """A product."""

    sku: str
    name: str
    price_minor: int


PRODUCTS = [Item(f"ITEM-{number}", f"Item {number}", 500 + 37 * number) for number in range(50)]
SYSTEMS = ("inventory", "coupon", "membership", "settlement", "sms")


@dataclass(frozen=True, slots=True)
class Submission:
    """One order to place.

    Args:
        phone: Identifies its text message.
        key: Its idempotency key.
        body: What is sent.
        systems: Where it has an effect once it is confirmed and its tasks are done.
    """

    phone: str
    key: str
    body: bytes
    systems: tuple[str, ...] = SYSTEMS

    def request(self, token: str) -> bytes:
        """Return the whole HTTP request, for a connection that stays open."""
        head = (
            "POST /api/v1/orders HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {token}\r\nIdempotency-Key: {self.key}\r\nContent-Length: {len(self.body)}\r\n\r\n"
        )
        return head.encode() + self.body


def submissions(count: int, *, first: int = 0, with_coupon: bool = True) -> list[Submission]:
    """Return orders of customers who are all new, of two lines each.

    Args:
        count: How many.
        first: The number of the first customer; each number has its own phone number.
        with_coupon: Whether they have a coupon; without one, the coupon system isn't called.
    """
    return [_submission(number, with_coupon) for number in range(first, first + count)]


def _submission(number: int, with_coupon: bool) -> Submission:
    key = secrets.token_hex(12)
    phone = f"+49151{number:08d}"
    content: dict[str, Any] = {
        "customer": {
            "name": f"Customer {number}",
            "email": f"{key}@example.com",
            "phone": phone,
            "member_ref": f"M-{number}",
        },
        "lines": [
            {"sku": PRODUCTS[number % 50].sku, "quantity": 1 + number % 3},
            {"sku": PRODUCTS[(number + 7) % 50].sku, "quantity": 1},
        ],
        "benefit": "WELCOME",
    }
    if with_coupon:
        content["coupon"] = f"SPRING-{number % 20}"
    systems = tuple(system for system in SYSTEMS if with_coupon or system != "coupon")
    return Submission(phone, key, json.dumps(content).encode(), systems)
