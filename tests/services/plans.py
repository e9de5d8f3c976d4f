"""What PostgreSQL really did for each statement that a deed of the services took: its plans, with the rows they read.

The server's `auto_explain` sends each executed plan along as a notice, whether it was made for these values or for any
(a prepared statement's sixth execution may have a plan of either sort), and those of writes as they were done.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Self

import psycopg
from sqlalchemy import Engine, event

EXPLAIN = (
    "SET plan_cache_mode = auto",  # as the server itself chooses, whatever the tests' database is set to
    "LOAD 'auto_explain'",
    "SET auto_explain.log_min_duration = 0",
    "SET auto_explain.log_analyze = on",
    "SET auto_explain.log_buffers = on",
    "SET auto_explain.log_format = json",
    "SET auto_explain.log_level = notice",
    "SET auto_explain.log_nested_statements = on",  # those of foreign keys as well
)
# More than the executions after which PostgreSQL may go over to one plan for all values, on each connection.
OFTEN = 8


@dataclass(frozen=True, slots=True)
class Scan:
    """How a plan got at a table's rows."""

    node: str
    table: str
    index: str
    rows_read: int

    def __str__(self) -> str:
        by = f" by {self.index}" if self.index else ""
        return f"{self.node} on {self.table}{by}: {self.rows_read}"


@dataclass(frozen=True, slots=True)
class Plan:
    """A statement as it was carried out."""

    statement: str
    scans: tuple[Scan, ...]
    blocks: int

    @property
    def rows_read(self) -> int:
        """How many rows and index entries it looked at, those that it passed over included."""
        return sum(scan.rows_read for scan in self.scans)

    def __str__(self) -> str:
        scans = ", ".join(map(str, self.scans))
        return f"{self.rows_read} rows, {self.blocks} blocks; {scans}\n  {self.statement}"


class Plans:
    """Listens to an engine's connections, from the next one on that it opens; as a context manager inside the block."""

    def __init__(self, engine: Engine) -> None:
        self._seen: list[Plan] = []
        self._engine = engine
        event.listen(engine, "connect", self._explain)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        event.remove(self._engine, "connect", self._explain)
        self._engine.dispose()

    def of(self, deed: Callable[[], Any], *, times: int = OFTEN) -> list[Plan]:
        """Do it so many times, and return the plans of the last time."""
        for _ in range(times):
            self._seen.clear()
            deed()
        return list(self._seen)

    def _explain(self, connection: psycopg.Connection, _record: Any) -> None:
        connection.add_notice_handler(self._notice)
        for statement in EXPLAIN:
            connection.execute(statement)
        connection.commit()

    def _notice(self, notice: psycopg.errors.Diagnostic) -> None:
        _, found, told = (notice.message_primary or "").partition("plan:")
        if found:
            explained = json.loads(told)
            root = explained["Plan"]
            blocks = root.get("Shared Hit Blocks", 0) + root.get("Shared Read Blocks", 0)
            self._seen.append(Plan(explained["Query Text"], tuple(_scans(root)), blocks))


def _scans(node: dict[str, Any]) -> Iterator[Scan]:
    if "Scan" in node["Node Type"] and ("Relation Name" in node or "Index Name" in node):
        passed_over = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
        rows = (node["Actual Rows"] + passed_over) * node["Actual Loops"]
        index = node.get("Index Name", "")
        yield Scan(node["Node Type"], node.get("Relation Name") or index, index, rows)
    for part in node.get("Plans", ()):
        yield from _scans(part)
