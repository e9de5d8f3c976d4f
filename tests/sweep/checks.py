"""What must be true of an order when no work is under way any more, whichever process died."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import requests
from sqlalchemy import text

from tests.flow.effect_ledger import differences
from tests.flow.subscriber import untold
from tests.sweep.installation import Installation

CONFIRMED, FAILED, CANCELLED = "confirmed", "failed", "cancelled"
# In each final state: what the last placement, its steps and its tasks may be.
CONSISTENT = {
    CONFIRMED: {
        "placements": {"confirmed", "compensated"},
        "steps": {"done", "compensated", "refused", "planned"},
        "tasks": {"done", "failed"},
    },
    FAILED: {"placements": {"compensated"}, "steps": {"compensated", "refused", "planned"}, "tasks": {"done"}},
    CANCELLED: {
        "placements": {"compensated"},
        "steps": {"compensated", "refused", "planned"},
        "tasks": {"done", "cancelled", "failed"},
    },
}


# The next runs of jobs wait there too.
OF_ORDERS = {"tasks": "WHERE kind <> 'job'"}
# What follows the confirmation of an order by a customer with a telephone.
AFTERWARDS = {("settle", "settlement"), ("notify", "email"), ("notify", "sms")}
# A mail that may have gone is sent again, under the same Message-ID.
REPEATED = {"email"}
# How much a confirmed order takes from each of STORES.
TAKEN = [2, 1, 1]


@dataclass
class Told:
    """The customer's requests, their keys, and the final answer to each."""

    key: str
    content: dict[str, Any]
    statuses: dict[str, int] = field(default_factory=dict)
    order: str = ""

    def answer(self, address: str, response: requests.Response) -> str:
        """Note an answer; return the order's id."""
        self.statuses[address] = response.status_code
        self.order = str(response.json()["order"]["id"])
        return self.order


def wrongs(at: Installation, told: Told, *, subscribed: bool) -> tuple[str, list[str]]:
    """Return the order's state, and everything that is wrong."""
    with at.connect() as connection:
        states = list(connection.execute(text("SELECT state FROM orders")).scalars())
    if len(states) != 1 or states[0] not in CONSISTENT:
        return "", [f"the orders are {states}, not one in a final state"]
    state = states[0]
    return state, [
        *differences(at),
        *_inconsistent(at, state),
        *_takings(at, state),
        *_done_twice(at),
        *_messages(at, state),
        *_untruths(state, told),
        *_replay(at, state, told),
        *(_untold(at) if subscribed else ()),
    ]


def _inconsistent(at: Installation, state: str) -> Iterator[str]:
    with at.connect() as connection:
        for table, allowed in CONSISTENT[state].items():
            found = set(connection.execute(text(f"SELECT state FROM {table} {OF_ORDERS.get(table, '')}")).scalars())
            if not found <= allowed:
                yield f"the order is {state}, and {table} are {sorted(found)}"
        if state == CONFIRMED:
            last = "SELECT p.state, s.state FROM placements p JOIN steps s ON s.placement_id = p.id ORDER BY p.number"
            forward = "SELECT kind, system FROM tasks WHERE kind NOT IN ('compensate', 'job')"
            wanted = {tuple(row) for row in connection.execute(text(forward))}
            if wanted != AFTERWARDS:
                yield f"the order is confirmed, and its tasks are {sorted(wanted)}"
            if tuple(connection.execute(text(last)).all()[-1]) != ("confirmed", "done"):
                yield "the order is confirmed, and its last placement or a step of it isn't"


def _done_twice(at: Installation) -> Iterator[str]:
    """Check that no key has two effects: here no process overtakes a living holder, so none may be done twice."""
    for row in at.sandbox.ledger()["net"]:
        if row["done"] > 1 and row["system"] not in REPEATED:
            yield f"{row['system']} did {row['reference']} {row['done']} times"


def _takings(at: Installation, state: str) -> Iterator[str]:
    """Compare the systems' stocks with what the order took, without keys and ledgers."""
    expected = TAKEN if state == CONFIRMED else [0, 0, 0]
    if at.taken() != expected:
        yield f"taken from the stores: {at.taken()}, not {expected}"


def _messages(at: Installation, state: str) -> Iterator[str]:
    if state == FAILED:
        yield from (f"a failed order sent {name}" for name in ("texts", "mails") if at.sandbox.rows(name))


def _untruths(state: str, told: Told) -> Iterator[str]:
    """Compare the final state with the customer's last answer."""
    placed = [status for address, status in told.statuses.items() if not address.endswith("/cancel")]
    was_cancelled = told.statuses.get(f"/orders/{told.order}/cancel") == 202
    expected = CANCELLED if was_cancelled else CONFIRMED if placed[-1] in (200, 201) else FAILED
    if state != expected:
        yield f"the order is {state}; the customer was told {told.statuses}"


def _untold(at: Installation) -> Iterator[str]:
    with at.connect() as connection:
        yield from untold(connection, at.subscriber)


def _replay(at: Installation, state: str, told: Told) -> Iterator[str]:
    headers = {"Authorization": f"Bearer {at.token}", "Idempotency-Key": told.key}
    answer = requests.post(f"{at.processes.base_url}/orders", json=told.content, headers=headers, timeout=10)
    order = answer.json().get("order", {}).get("id")
    expected = (422, 503) if state == FAILED else (200,)
    if order != told.order or answer.status_code not in expected:
        yield f"the same key again: {answer.status_code} with order {order}, not {told.order}, which is {state}"
