"""The work of the database, by PostgreSQL's own statistics.

Writing commits are counted by transaction numbers: a transaction gets one when it first writes, so each number stands
for a transaction that wrote and had to reach the disk. Read-only commits, which pg_stat_database counts too, have
none. Statements come from pg_stat_statements; the benchmark's own carry a mark and are left out.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

OWN_MARK = "/* bench */"
_NUMBERS_GIVEN = text("SELECT CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS text) AS bigint)")
_STATEMENTS = text(
    """
    SELECT coalesce(sum(calls) FILTER (WHERE NOT brackets), 0), coalesce(sum(calls) FILTER (WHERE brackets), 0)
    FROM (SELECT calls, query ~* '^(begin|commit|rollback)' AS brackets FROM pg_stat_statements
          WHERE dbid = (SELECT oid FROM pg_database WHERE datname = :database) AND strpos(query, :mark) = 0) AS counted
    """
)


@dataclass(frozen=True, slots=True)
class DatabaseWork:
    """So much was done, from the server's start or per order.

    Args:
        writing_commits: Transactions that wrote.
        statements: All others than BEGIN, COMMIT and ROLLBACK; None where they aren't counted.
        brackets: BEGIN, COMMIT and ROLLBACK, each a round trip of its own; None where they aren't counted.
    """

    writing_commits: float
    statements: float | None
    brackets: float | None

    def per_order(self, before: DatabaseWork, orders: int) -> DatabaseWork:
        """Return what was done since an earlier reading, per order."""
        return DatabaseWork(
            (self.writing_commits - before.writing_commits) / orders,
            _per(self.statements, before.statements, orders),
            _per(self.brackets, before.brackets, orders),
        )


class DatabaseMeter:
    """Reads the statistics of a server.

    Args:
        server_url: Of a database in which pg_stat_statements is, where `counts_statements`.
        counts_statements: Whether the server has it.
    """

    def __init__(self, server_url: str, *, counts_statements: bool) -> None:
        self._engine = create_engine(server_url, pool_size=1)
        self._counts_statements = counts_statements

    def read(self, database_url: str) -> DatabaseWork:
        """Return what was done in a database so far; commits are those of the whole server."""
        with self._engine.connect() as connection:
            numbers = float(connection.execute(_NUMBERS_GIVEN).scalar_one())
            if not self._counts_statements:
                return DatabaseWork(numbers, None, None)
            asked = {"database": make_url(database_url).database, "mark": OWN_MARK}
            statements, brackets = connection.execute(_STATEMENTS, asked).one()
            return DatabaseWork(numbers, float(statements), float(brackets))

    def close(self) -> None:
        """Close the connection to the server."""
        self._engine.dispose()


def _per(after: float | None, before: float | None, orders: int) -> float | None:
    return None if after is None or before is None else (after - before) / orders
