"""The final check after the faults: an order is confirmed with all its effects, or none of its effects is held."""

from __future__ import annotations

from tests.model.outside import Outside
from tests.model.tables import Snapshot

# Leases, late windows, pending settlements, attempts of three at a time: all of them end within a few rounds of a
# minute each; what is still open after these never ends.
ROUNDS = 12


def is_quiet(now: Snapshot, outside: Outside) -> bool:
    """Whether nothing is under way any more."""
    finished = all(order["state"] in ("confirmed", "failed", "cancelled") for order in now.orders)
    settled = all(
        task["state"] == "done" or (task["state"] == "cancelled" and task["kind"] != "compensate")
        for task in now.tasks
        if now.order[task["order_id"]]["state"] != "confirmed" or task["kind"] == "compensate"
    )
    done = all(
        task["state"] == "done" for task in now.tasks if now.placement[task["placement_id"]]["state"] == "confirmed"
    )
    return finished and settled and done and not outside.late


def audit(now: Snapshot, outside: Outside) -> None:
    """Check every order against what the systems hold."""
    for order in now.orders:
        assert order["state"] in ("confirmed", "failed", "cancelled"), f"{order['number']} is {order['state']} for ever"
    for task in now.tasks:
        forward_of_cancelled = task["kind"] != "compensate" and task["state"] == "cancelled"
        about = f"{task['kind']} {task['system']} {task['key']} is {task['state']}: {task['last_message']}"
        assert task["state"] == "done" or forward_of_cancelled, about
    confirmed = {one["id"] for one in now.placements if one["state"] == "confirmed"}
    withdrawn = {task["key"] for task in now.tasks if task["state"] == "cancelled"}
    keys = {row["key"]: (row["system"], row["placement_id"]) for row in (*now.tasks, *now.steps)}
    for key, (name, placement_id) in keys.items():
        system = outside.all[name]
        held = system.held(key)
        if system.part.value == "notify":
            # Each manual resolution may have sent one more; before it, at most one was sent. An end is told, unless it
            # isn't the end any more.
            ended = key.count(":") > 2 and key not in withdrawn
            least = 1 if placement_id in confirmed or ended else 0
            assert held >= least, f"{key}: the customer was never told"
        else:
            assert held == (placement_id in confirmed), f"{key} is held {held} times"
            assert not held or system.settles_at.get(key, 0) <= outside.clock.seconds, f"{key} never settled"
    for name, system in outside.all.items():
        assert set(system.in_place) <= keys.keys(), f"{name} holds what nobody knows of"
