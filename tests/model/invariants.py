"""The invariants between any two steps of the model. The numbers are those of the design."""

from __future__ import annotations

from collections.abc import Iterator

from orderapp.domain.retry import Guarantee
from orderapp.domain.states import EDGES, OrderState, PlacementState, State, StepState, TaskState
from tests.model.clock import Clock
from tests.model.outside import Outside, Simulated
from tests.model.runs import Run
from tests.model.tables import Row, Snapshot

KINDS: dict[str, type[State]] = {
    "orders": OrderState,
    "placements": PlacementState,
    "steps": StepState,
    "tasks": TaskState,
}
ENDED = ("failed", "cancelled")
HOLDING = ("done", "unknown")


def states_moved_along_the_edges(now: Snapshot) -> None:
    """6."""
    for move in now.moves:
        kind = KINDS[move["what"]]
        allowed = {state.value for state in EDGES[kind][kind(move["after"])]}
        assert move["before"] in allowed, f"{move['what']} {move['id']} moved {move['before']} to {move['after']}"


def counts_only_grow(now: Snapshot) -> None:
    """5, 8: a claim counts attempt, claim and token; only a snooze gives an attempt back."""
    for row in now.counts:
        about = f"task {row['id']}, {row['before']} to {row['after']}"
        claimed = row["after"] == "running" and row["before"] != "running"
        assert row["claims_by"] == claimed, f"{about}: {row['claims_by']} claims"
        assert row["fencing_by"] >= claimed, f"{about}: the token went by {row['fencing_by']}"
        given_back = row["before"] == "running" and row["after"] == "waiting"
        assert row["attempts_by"] in ((-1, 0) if given_back else (int(claimed),)), f"{about}: the attempts"
        assert not claimed or row["attempts"] <= row["attempt_limit"], f"{about}: one attempt too many"
    assert now.rewrites == [], "history is only added to"


def history_tells_of_every_claim(now: Snapshot, attempts: dict[int, set[int]], repeats: dict[int, int]) -> None:
    """8: each claim has an attempt or is counted as an equal answer, but for the one that is under way."""
    for task in now.tasks:
        ended = task["claims"] - (task["state"] == "running")
        missing = set(range(1, ended + 1)) - attempts.get(task["id"], set())
        counted = task["repeats"] + repeats.get(task["id"], 0)
        assert len(missing) == counted, f"task {task['id']}: no attempt for its claims {missing}, {counted} are counted"


def nothing_waits_for_ever(now: Snapshot) -> None:
    """5, 9: running under a lease, due at a known time, or in staff's hands."""
    for task in now.tasks:
        about = f"task {task['id']}"
        assert (task["state"] == "running") == (task["lease_until"] is not None), f"{about}: running without a lease"
        waits = task["state"] == "waiting"
        assert not waits or (task["due_at"] and task["publish_at"]), f"{about}: waits for nothing"
    leased = {row["placement_id"] for row in now.submissions if row["lease_until"] is not None}
    for placement in now.placements:
        placing = placement["state"] == "placing"
        assert placing == (placement["id"] in leased), f"placement {placement['id']} is {placement['state']}: its lease"


def states_fit_each_other(now: Snapshot) -> None:
    """1, 3, 6: an order, its placements, their steps and tasks tell the same story."""
    owing = set()
    for task in now.tasks:
        if task["kind"] == "compensate" and task["state"] != "done" and not task["keep"]:
            owing.add(task["order_id"])
    for step in now.steps:
        placement = now.placement[step["placement_id"]]
        if placement["state"] == "compensating" and step["state"] in HOLDING:
            undoing = now.undoing.get((placement["id"], step["system"]))
            assert undoing, f"{step['key']} is {step['state']} and nobody undoes it"
        if placement["state"] == "compensated":
            assert step["state"] not in HOLDING, f"{step['key']} is {step['state']} though its placement has ended"
        assert placement["state"] != "confirmed" or step["state"] == "done", f"{step['key']} of a confirmed placement"
    for order in now.orders:
        _fits(order, [one for one in now.placements if one["order_id"] == order["id"]], owing)


def _fits(order: Row, placements: list[Row], owing: set[str]) -> None:
    number, state = order["number"], order["state"]
    current = next(one for one in placements if one["number"] == order["placement_number"])
    fits = {"placing": ("placing",), "confirmed": ("confirmed",), "compensating": ("compensating", "compensated")}
    assert current["state"] in fits.get(state, ("compensated",)), f"{number}: {state}, {current['state']}"
    earlier = {one["state"] for one in placements if one is not current}
    assert earlier <= {"compensating", "compensated"}, f"{number}: an earlier placement is {earlier}"
    if state == "compensating":
        assert order["id"] in owing, f"{number} compensates nothing"
    if state in ENDED:
        assert order["id"] not in owing, f"{number} has ended, and something is still to be undone"


def forward_tasks_are_those_of_confirmed_placements(now: Snapshot, outside: Outside) -> None:
    """4: confirming and its tasks are one."""
    wanted = {name for name, system in outside.all.items() if system.part.value in ("settle", "notify")}
    found: dict[int, set[str]] = {}
    for task in now.tasks:
        if task["kind"] != "compensate" and task["news"] in ("", "confirmed"):
            found.setdefault(task["placement_id"], set()).add(task["system"])
    confirmed = {one["id"] for one in now.placements if one["state"] == "confirmed"}
    for placement in now.placements:
        tasks = found.get(placement["id"], set())
        if placement["id"] in confirmed:
            assert tasks == wanted, f"placement {placement['id']} is confirmed with tasks for {sorted(tasks)}"
        elif placement["state"] == "placing":
            assert not tasks, f"placement {placement['id']} isn't confirmed, and has tasks"


def news_is_true(now: Snapshot, outside: Outside) -> None:
    """4: the end of an order and the message that tells it are one, and nothing is told that didn't come to be."""
    wanted = {name for name, system in outside.all.items() if system.part.value == "notify"}
    told: dict[tuple[int, str], set[str]] = {}
    for task in now.tasks:
        assert (task["kind"] == "notify") == bool(task["news"]), f"task {task['id']} tells {task['news']}"
        told.setdefault((task["placement_id"], task["news"]), set()).add(task["system"])
    for placement in now.placements:
        order, number = now.order[placement["order_id"]], placement["id"]
        is_last = placement["number"] == order["placement_number"]
        cancelled = is_last and order["ends_as"] == "cancelled"
        assert told.get((number, "cancelled"), set()) == (wanted if cancelled else set()), f"placement {number}"
        was_confirmed = (number, "confirmed") in told
        is_undone = placement["state"] in ("compensating", "compensated")
        # One that stopped before any call has no submission's lease to give up, and ends in the customer's own request.
        failed = told.get((number, "failed"), set())
        assert failed in (set(), wanted), f"placement {number}"
        assert not failed or (is_undone and not was_confirmed), f"placement {number} is told as failed"
        if (number, "refunded") in told:
            assert cancelled, f"placement {number} is told as refunded"
            assert _is_returned(now, outside, number), f"placement {number}: nothing was paid and returned"


def _is_returned(now: Snapshot, outside: Outside, placement_id: int) -> bool:
    """Return whether a payment was taken and isn't any more, by the systems themselves.

    Our row may say that it was cancelled: its worker was in the call when the order was.
    """
    payments = [one for one in now.tasks if one["placement_id"] == placement_id and one["kind"] == "settle"]
    systems = [(outside.all[one["system"]], one["key"]) for one in payments]
    return any(system.ever[key] > system.held(key) for system, key in systems)


def effects_are_on_the_books(now: Snapshot, outside: Outside, runs: list[Run]) -> None:
    """1, 2, 3, 7: all that is held, or may still come, belongs to a live placement or has a task that undoes it."""
    busy = {key for run in runs for key in run.acted}
    for system, key in _effects(outside):
        held, coming = system.held(key), system.coming(key)
        placement = now.placement_of_key.get(key)
        assert placement is not None, f"{key}: nobody knows of this effect"
        if not (held or coming) or key in busy:
            continue
        tasks = now.undoing.get((placement["id"], system.name), [])
        if placement["state"] == "placing" or any(task["state"] != "done" for task in tasks):
            continue
        rightful = 1 if placement["state"] == "confirmed" else 0
        # Under a key that is in place, an idempotent system does nothing more.
        more = coming and not (rightful and held and system.guarantee is Guarantee.IDEMPOTENT)
        about = f"{key} is held {held} times, one more comes: {coming}, its placement is {placement['state']}"
        assert held + more <= rightful, f"{about}, and nobody takes it back"
    for step in now.steps:
        placement = now.placement[step["placement_id"]]
        held = outside.all[step["system"]].held(step["key"])
        assert placement["state"] != "confirmed" or held, f"{step['key']} is confirmed, but not there"


def nothing_tells_too_early(now: Snapshot, outside: Outside, clock: Clock) -> None:
    """3: what may still come is waited for."""
    for due, system, key, _deed in outside.late:
        for task in now.tasks:
            done = task["key"] == key and task["kind"] == "compensate" and task["state"] == "done"
            soon = f"{due - clock.seconds:.1f} s"
            assert not done or key in system.tombstones, f"{key} was given up {soon} before it may still come"


def _effects(outside: Outside) -> Iterator[tuple[Simulated, str]]:
    for system in outside.all.values():
        if system.part.value != "notify":
            yield from ((system, key) for key in system.in_place)
    for _due, system, key, _deed in list(outside.late):
        if system.part.value != "notify":
            yield system, key


def no_probable_duplicate(before: Snapshot, now: Snapshot, allowed: set[str]) -> None:
    """An identical cart is placed again only if the customer allows it, while its last order is alive and new."""
    keys = {row["order_id"]: row["key"] for row in reversed(now.submissions)}
    cart = ("customer_email", "inputs")
    for order in now.orders:
        # An order that failed immediately may have stopped before any reservation, and so took no lock.
        if order["id"] in before.order or keys[order["id"]] in allowed or order["state"] == "failed":
            continue
        for lock in before.cart_locks:
            last = before.order[lock["order_id"]]
            if last["state"] in ENDED or any(last[name] != order[name] for name in cart):
                continue
            assert lock["expires_at"] < order["created_at"], f"{order['number']} repeats {last['number']}"
