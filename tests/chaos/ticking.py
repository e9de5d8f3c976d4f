"""A plugin whose job runs every four seconds, and enqueues another job each time; and what must have come of it."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, text

from orderapp.ext import Every, Run, enqueue, job

EVERY_SECONDS = 4
# As long as everything else has to be done: times may be missed while servers and timers are away, but not for longer.
LONGEST_GAP_SECONDS = 60.0
TABLE = text("CREATE TABLE chaos_ticks (job text NOT NULL, task_id bigint NOT NULL, key text NOT NULL)")
TICK = text("INSERT INTO chaos_ticks (job, task_id, key) VALUES (:job, :task_id, :key)")


class Often(Every):
    """More often than a shop may."""

    def refuse_impossible_declaration(self) -> None:
        """Allow it."""


@job("count-ticks", every=Often(EVERY_SECONDS), concurrency=1, lease_seconds=5)
def count_ticks(run: Run) -> None:
    """Count this run, and enqueue what follows it, in one transaction."""
    with run.transaction() as session:
        session.execute(TICK, {"job": "count-ticks", "task_id": run.task_id, "key": run.key})
        enqueue(follow_ticks, session, key=run.key)


@job("follow-ticks", lease_seconds=5)
def follow_ticks(run: Run) -> None:
    """Count this run."""
    with run.transaction() as session:
        session.execute(TICK, {"job": "follow-ticks", "task_id": run.task_id, "key": run.key})


# Each by what it says of the rows that it finds; none may.
CONTRADICTIONS = {
    "isn't done": """
        SELECT system, key FROM tasks WHERE system IN ('count-ticks', 'follow-ticks') AND state <> 'done'
           AND created_at < now() - interval '10 s'""",
    "is done, and was recorded so another number of times than once": """
        SELECT t.system, t.key FROM tasks t LEFT JOIN attempts a ON a.task_id = t.id AND a.outcome = 'done'
         WHERE t.system IN ('count-ticks', 'follow-ticks') AND t.state = 'done' GROUP BY t.id, t.system, t.key
        HAVING count(a.id) <> 1""",
    "is done, and has done nothing": """
        SELECT t.system, t.key FROM tasks t LEFT JOIN chaos_ticks c ON c.task_id = t.id AND c.job = t.system
         WHERE t.system IN ('count-ticks', 'follow-ticks') AND t.state = 'done' AND c.key IS NULL""",
    "has done something, and nothing follows it": """
        SELECT c.job AS system, c.key FROM chaos_ticks c
          LEFT JOIN tasks t ON t.system = 'follow-ticks' AND t.key = c.key WHERE t.id IS NULL""",
    "follows something that isn't there": """
        SELECT t.system, t.key FROM tasks t LEFT JOIN chaos_ticks c ON c.job = 'count-ticks' AND c.key = t.key
         WHERE t.system = 'follow-ticks' AND c.key IS NULL""",
}
PLANNED = """
    SELECT scheduled_at, extract(epoch FROM scheduled_at - lag(scheduled_at) OVER (ORDER BY scheduled_at)) AS gap
      FROM tasks WHERE system = 'count-ticks'"""


def ticks_gone_wrong(connection: Connection) -> Iterator[str]:
    """Yield every planned run that was lost or doubled."""
    for what, query in CONTRADICTIONS.items():
        yield from (f"job {row.system}: {row.key} {what}" for row in connection.execute(text(query)))
    planned = connection.execute(text(PLANNED)).all()
    if not planned:
        yield "job count-ticks: nothing was planned"
    for row in planned:
        if row.gap is not None and row.gap > LONGEST_GAP_SECONDS:
            yield f"job count-ticks: {row.gap:.0f} s without a run, until {row.scheduled_at}"
