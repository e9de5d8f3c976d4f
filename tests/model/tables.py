"""The database's content, read without the product: every row, and every change of state since the last snapshot."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from orderapp.models import Base

Row = sqlite3.Row

STATES = ("orders", "placements", "steps", "tasks")
COUNTERS = ("attempts", "claims", "fencing")  # of a task
# What a story tells of a row.
TOLD = frozenset(
    ("id", "number", "state", "ends_as", "placement_id", "task_id", "kind", "system", "key", "due_at", "lease_until")
    + ("attempts", "claims", "fencing", "last_code", "absent_from", "verb", "outcome", "code", "started_at")
)
WATCHERS = (
    "CREATE TABLE model_moves (what TEXT, id, before TEXT, after TEXT)",
    "CREATE TABLE model_counts (id, before TEXT, after TEXT, "
    + ", ".join(f"{name}_by INTEGER, {name} INTEGER" for name in COUNTERS)
    + ", attempt_limit INTEGER)",
    "CREATE TABLE model_rewrites (what TEXT)",
    *(
        f"CREATE TRIGGER model_{name} AFTER UPDATE ON {name} WHEN OLD.state <> NEW.state BEGIN "
        f"INSERT INTO model_moves VALUES ('{name}', OLD.id, OLD.state, NEW.state); END"
        for name in STATES
    ),
    "CREATE TRIGGER model_task_counts AFTER UPDATE ON tasks BEGIN INSERT INTO model_counts VALUES "
    "(OLD.id, OLD.state, NEW.state, "
    + ", ".join(f"NEW.{name} - OLD.{name}, NEW.{name}" for name in COUNTERS)
    + ", NEW.attempt_limit); END",
    *(
        f"CREATE TRIGGER model_{verb}_{name} AFTER {verb} ON {name} BEGIN "
        f"INSERT INTO model_rewrites VALUES ('{verb} {name}'); END"
        for name in ("attempts", "audit_entries")
        for verb in ("update", "delete")
    ),
)


@dataclass(frozen=True)
class Snapshot:
    """All rows at one moment."""

    orders: list[Row]
    placements: list[Row]
    steps: list[Row]
    tasks: list[Row]
    submissions: list[Row]
    cart_locks: list[Row]
    moves: list[Row]
    counts: list[Row]
    rewrites: list[str]

    @cached_property
    def order(self) -> dict[str, Row]:
        return {row["id"]: row for row in self.orders}

    @cached_property
    def placement(self) -> dict[int, Row]:
        return {row["id"]: row for row in self.placements}

    @cached_property
    def undoing(self) -> dict[tuple[int, str], list[Row]]:
        """The tasks that undo something, by placement and system."""
        found: dict[tuple[int, str], list[Row]] = {}
        for task in self.tasks:
            if task["kind"] == "compensate":
                found.setdefault((task["placement_id"], task["system"]), []).append(task)
        return found

    @cached_property
    def placement_of_key(self) -> dict[str, Row]:
        return {row["key"]: self.placement[row["placement_id"]] for row in (*self.tasks, *self.steps)}


class Tables:
    """A connection of the model's own."""

    def __init__(self, path: Path) -> None:
        # The runs' threads look things up as well, one at a time.
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
        self._connection.row_factory = sqlite3.Row

    def watch(self) -> None:
        """Have every move noted down from now on, by triggers."""
        for statement in WATCHERS:
            self._connection.execute(statement)

    def empty(self) -> None:
        """Delete every row but the products."""
        tables = [table.name for table in reversed(Base.metadata.sorted_tables) if table.name != "products"]
        self._connection.execute("BEGIN IMMEDIATE")
        for name in (*tables, "model_moves", "model_counts", "model_rewrites"):
            self._connection.execute(f"DELETE FROM {name}")
        self._connection.execute("COMMIT")

    def snapshot(self) -> Snapshot:
        """Return all rows, and what moved since the last snapshot."""
        names = (*STATES, "submissions", "cart_locks", "model_moves", "model_counts")
        rows = [self.rows(f"SELECT * FROM {name} ORDER BY rowid") for name in names]
        rewrites = [row["what"] for row in self.rows("SELECT what FROM model_rewrites")]
        for name, found in zip(names, rows, strict=True):
            if found and name.startswith("model"):
                self._connection.execute(f"DELETE FROM {name}")
        return Snapshot(*rows, rewrites)

    def attempts(self) -> dict[int, set[int]]:
        """Return the numbers of each task's attempts."""
        found: dict[int, set[int]] = {}
        for row in self.rows("SELECT task_id, number FROM attempts WHERE task_id IS NOT NULL"):
            found.setdefault(row["task_id"], set()).add(row["number"])
        return found

    def repeats(self) -> dict[int, int]:
        """Return how many answers of each task are only counted by its attempts, as equal to the one before."""
        rows = self.rows("SELECT task_id, sum(repeats) AS n FROM attempts WHERE task_id IS NOT NULL GROUP BY task_id")
        return {row["task_id"]: row["n"] for row in rows}

    def story(self) -> str:
        """Return the history for people, one line for each row that matters."""
        lines = []
        for name in ("orders", "placements", "steps", "tasks", "attempts"):
            for row in self.rows(f"SELECT * FROM {name} ORDER BY rowid"):
                told = [
                    f"{column}={value}" for column, value in dict(row).items() if column in TOLD and value is not None
                ]
                lines.append(f"{name}: {' '.join(told)}")
        return "\n".join(lines)

    def rows(self, query: str, *values: object) -> list[Row]:
        """Return a query's rows."""
        return self._connection.execute(query, values).fetchall()

    def one(self, query: str, *values: object) -> Row | None:
        """Return a query's first row, if there is one."""
        found: Row | None = self._connection.execute(query, values).fetchone()
        return found

    def knows(self, key: str) -> bool:
        """Whether a key is committed, with its order and as a step's or a task's."""
        row = self.one(
            "SELECT 1 FROM orders o WHERE o.number = ? AND ("
            "EXISTS (SELECT 1 FROM steps s WHERE s.order_id = o.id AND s.key = ?) OR "
            "EXISTS (SELECT 1 FROM tasks t WHERE t.order_id = o.id AND t.key = ?))",
            key.split(":")[0],
            key,
            key,
        )
        return row is not None

    def claim(self, task_id: int | None, key: str) -> tuple[int, int, str] | None:
        """Return number, fencing token and end of the lease of the task, or of the submission that the key is of."""
        if task_id is not None:
            row = self.one("SELECT id, fencing, lease_until FROM tasks WHERE id = ?", task_id)
        else:
            row = self.one(
                "SELECT u.id, u.fencing, u.lease_until FROM submissions u "
                "JOIN steps s ON s.placement_id = u.placement_id WHERE s.key = ?",
                key,
            )
        return (row["id"], row["fencing"], row["lease_until"] or "") if row else None

    def content(self, key: str) -> tuple[str, str] | None:
        """Return what a submission's key stands for: a first placement's customer and coupon, or a retried order."""
        row = self.one(
            "SELECT p.number, o.id, o.customer_email, o.inputs FROM submissions u JOIN orders o ON o.id = u.order_id "
            "JOIN placements p ON p.id = u.placement_id WHERE u.key = ?",
            key,
        )
        if row is None:
            return None
        return (
            (row["customer_email"], json.loads(row["inputs"]).get("coupon", ""))
            if row["number"] == 1
            else ("retry", row["id"])
        )
