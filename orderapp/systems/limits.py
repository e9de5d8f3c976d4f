"""The limits of a system: its agreed rate, its parallel runs, and when its circuit opens."""

from __future__ import annotations

import math
from dataclasses import dataclass

from orderapp.systems.settings import Environment

# We use nine tenths of the agreed rate. A call may leave up to LATE_SECONDS after its slot, so at most the slots of 1.1
# seconds fall into one second: 0.99 of the agreed rate.
USED_SHARE = 0.9
LATE_SECONDS = 0.1
# Eight failures of ten are no accident; but a system that still does half of its work is better than none.
CIRCUIT_CALLS = 10
CIRCUIT_FAILURE_RATE = 0.8
# Of the sixteen threads of a web process. Usually two or three wait for a system at a time. A hanging system may block
# six, and two of those still leave four for pages and other orders.
ORDER_SLOTS = 6


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one system."""

    rate_per_second: float = 0.0  # calls of all kinds and processes together; 0 for no limit
    concurrency: int = 0  # tasks of the system that may run at the same time in all processes together; 0 for no limit
    circuit_calls: int = CIRCUIT_CALLS  # the number of newest calls that decide whether the circuit opens; 0 for never
    # The circuit opens if this share of them failed, above 0.0 to 1.0.
    circuit_failure_rate: float = CIRCUIT_FAILURE_RATE
    # Orders of one web process that may wait for its answer at the same time; 0 for no limit.
    order_slots: int = ORDER_SLOTS

    @property
    def spacing_seconds(self) -> float:
        """The time between two calls; 0 without a rate."""
        return 1.0 / (USED_SHARE * self.rate_per_second) if self.rate_per_second else 0.0

    @property
    def published_tasks(self) -> int:
        """How many unclaimed tasks of a system with a rate are sent to the broker; 0 without a rate.

        It is the number for one second: workers always have one, and few get it too early for its slot.
        """
        return math.ceil(self.rate_per_second)

    @property
    def longest_wait_seconds(self) -> float:
        """How long a call may wait for its slot, which leases must cover: two slots, or 2 s; most calls don't wait.

        A run's second call is one slot after its first; if it is too late for that slot, it may wait for another one.
        """
        return max(2.0, 2 * self.spacing_seconds) if self.rate_per_second else 0.0

    @classmethod
    def from_environment(cls, env: Environment, prefix: str) -> Limits:
        """Read `<prefix>_RATE_PER_SECOND`, `_CONCURRENCY`, `_CIRCUIT_CALLS`, `_CIRCUIT_FAILURE_RATE`, `_ORDER_SLOTS`.

        Raises:
            ConfigurationError: a value is malformed or out of range.
        """
        calls = env.integer("CIRCUIT_CALLS", CIRCUIT_CALLS, 0, 1000)
        share = env.number("CIRCUIT_FAILURE_RATE", CIRCUIT_FAILURE_RATE, 0.01, 1)
        return cls(
            # Above a thousand a second, the slots are closer together than SQLite's clock can distinguish.
            rate_per_second=env.number(f"{prefix}_RATE_PER_SECOND", 0, 0, 1000),
            concurrency=env.integer(f"{prefix}_CONCURRENCY", 0, 0, 10_000),
            circuit_calls=env.integer(f"{prefix}_CIRCUIT_CALLS", calls, 0, 1000),
            circuit_failure_rate=env.number(f"{prefix}_CIRCUIT_FAILURE_RATE", share, 0.01, 1),
            order_slots=env.integer(
                f"{prefix}_ORDER_SLOTS", env.integer("ORDER_SLOTS", ORDER_SLOTS, 0, 10_000), 0, 10_000
            ),
        )
