"""The scenarios: orders that end in each possible way, with the fault that causes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

BLOCKING = ("inventory", "coupon", "membership")
# Long enough that the call is given up first, and inside the late window.
LATE_SECONDS = 0.2


@dataclass(frozen=True)
class Scenario:
    """One order's way.

    Args:
        name: In few words.
        ends: The state it ends in when nothing dies.
        faulty: The system with a fault until the order is answered (a blocking one) or until it was met (any other).
        fault: The fault, on what the system does, not on what it undoes.
        content: What is ordered other than usual.
        then: What the customer does next: `retry` once the order is failed, `cancel` immediately, or `cancel late`,
            when everything is done.
        told: Whether somebody subscribes to the events.
    """

    name: str
    ends: str
    faulty: str = ""
    fault: str = ""
    content: Mapping[str, Any] = field(default_factory=dict)
    then: str = ""
    told: bool = False

    def order(self, number: int) -> dict[str, Any]:
        """Return the content: every system has a part in it."""
        return {
            "customer": {
                "name": "Ada Lovelace",
                "email": f"sweep-{number}@example.com",
                "phone": "+4930901820",
                "member_ref": "M-1001",
            },
            "lines": [{"sku": "TEA-GREEN", "quantity": 2}],
            "coupon": "WELCOME10",
            "benefit": "VIP5",
            **self.content,
        }


# By what a test sweeps together.
GROUPS = {
    "confirmed": [
        Scenario("confirmed", "confirmed"),
        Scenario("settlement unknown", "confirmed", "settlement", "cut_after"),
        Scenario("text unknown", "confirmed", "sms", "cut_after"),
        Scenario("mail unknown", "confirmed", "email", "error_after"),
    ],
    "refused": [
        Scenario("refused by inventory", "failed", content={"lines": [{"sku": "SCALE-01", "quantity": 1}]}),
        Scenario("refused by coupon", "failed", "coupon", "refuses"),
        Scenario("refused by membership", "failed", "membership", "refuses"),
        Scenario("refused when quoted", "failed", content={"coupon": "USEDUP"}),
    ],
    "unknown": [
        Scenario(f"{system} unknown, {fault}", "failed", system, fault)
        for system in BLOCKING
        for fault in ("cut_after", "cut_before", "late_effect")
    ],
    "afterwards": [
        Scenario("retried", "confirmed", "membership", "refuses", then="retry"),
        Scenario("cancelled at once", "cancelled", then="cancel"),
        Scenario("cancelled late", "cancelled", then="cancel late"),
    ],
    "told": [
        Scenario("told", "confirmed", told=True),
        Scenario("told of cancelling", "cancelled", then="cancel", told=True),
    ],
}
SCENARIOS = [scenario for group in GROUPS.values() for scenario in group]
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
