"""Mistakes in jobs: who may write, and how often a time is run."""

from __future__ import annotations

from tests.mutations.mutation import Mutation

ENGINE = "orderapp/services/engine"
JOBS, SCHEDULES = ("tests/services/engine/test_jobs.py",), ("tests/services/engine/test_schedules.py",)

MUTATIONS = (
    Mutation(
        "each timer plans a run of its own",
        f"{ENGINE}/enqueue.py",
        (
            (
                '            key = f"schedule:{due_at.isoformat()}"\n',
                '            key = f"schedule:{uuid.uuid4().hex}"\n',
            ),
        ),
        tests=SCHEDULES,
    ),
    Mutation(
        "each time that was missed is run",
        f"{ENGINE}/enqueue.py",
        (("(row.state == TaskState.WAITING.value and row.claims == 0)", "False"),),
        tests=SCHEDULES,
    ),
    Mutation(
        "a time that the clock jumps past is run as if it didn't",
        "orderapp/domain/schedules.py",
        (("    if moment.astimezone(zone).replace(tzinfo=None) == local:\n", "    if moment:\n"),),
        tests=("tests/domain/test_schedules.py",),
    ),
    Mutation(
        "a job that has lost its lease writes on",
        f"{ENGINE}/held_run.py",
        (("            if not session.connection().execute(renewing).rowcount:\n", "            if False:\n"),),
        tests=JOBS,
    ),
    Mutation(
        "the same key is enqueued twice",
        f"{ENGINE}/enqueue.py",
        (("    chosen = key or uuid.uuid4().hex\n", "    chosen = uuid.uuid4().hex\n"),),
        tests=JOBS,
    ),
)
