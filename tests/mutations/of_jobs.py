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
        (("            self._refuse_if_lost()\n            yield session\n", "            yield session\n"),),
        tests=JOBS,
    ),
    Mutation(
        "a lease that has run out is renewed",
        f"{ENGINE}/held_run.py",
        (("where(*ours, unexpired)", "where(*ours)"),),
        tests=JOBS,
    ),
    Mutation(
        "a job that nobody waits for any more writes on",
        f"{ENGINE}/held_run.py",
        (
            (
                "            self._lost = self._lost or self.seconds_left() <= 0\n            return self._lost\n",
                "            return self.seconds_left() <= 0\n",
            ),
        ),
        tests=JOBS,
    ),
    Mutation(
        "what waits for a task that is given up waits for ever",
        "orderapp/services/backoffice/task_actions.py",
        (("    _tell_job(session, task)\n", ""),),
        tests=JOBS,
    ),
    Mutation(
        "one job takes all the threads that jobs may use",
        "tasks/actors.py",
        (("SHARE_OF_A_JOB = 0.5\n", "SHARE_OF_A_JOB = 1.0\n"),),
        tests=("tests/tasks/test_jobs.py",),
    ),
    Mutation(
        "Run now, pressed twice, runs twice",
        "orderapp/services/backoffice/job_runs.py",
        (("    if found is not None and found.state in", "    if False and found.state in"),),
        tests=("tests/admin/test_jobs.py",),
    ),
    Mutation(
        "the same key is enqueued twice",
        f"{ENGINE}/enqueue.py",
        (("    chosen = key or uuid.uuid4().hex\n", "    chosen = uuid.uuid4().hex\n"),),
        tests=JOBS,
    ),
    Mutation(
        "an alert is told of at each look",
        "orderapp/services/backoffice/alerts.py",
        (
            (
                "changes = seen.holds is not None and seen.holds is (rule.raised_at is None)",
                "changes = bool(seen.holds)",
            ),
        ),
        tests=("tests/services/backoffice/test_alerts.py",),
    ),
    Mutation(
        "an alert is raised after it was over",
        "orderapp/services/backoffice/alerts.py",
        (
            (
                'rule.times != told["times"] or (rule.raised_at is not None) is not told["raised"]',
                'rule.times != told["times"]',
            ),
        ),
        tests=("tests/services/backoffice/test_alerts.py",),
    ),
    Mutation(
        "a week is reported each day",
        "orderapp/services/backoffice/weekly_report.py",
        (("        if session.get(WeeklyReport, week) is not None:\n", "        if week is None:\n"),),
        tests=("tests/services/backoffice/test_weekly_report.py",),
    ),
)
