"""Mistakes that random drawing (`make mutants`) made and no test noticed, until the one that is named with each."""

from __future__ import annotations

from tests.mutations.mutation import Mutation

ADMISSION, MASKING = "orderapp/services/resilience/admission.py", "orderapp/domain/masking.py"
OF_ADMISSION = ("tests/services/resilience/test_admission.py", "-k", "sqlite")
OF_MASKING = ("tests/domain/test_masking.py",)
LEDGER = ("tests/admin/test_manual_resolutions.py", "-k", "the_ledger_of")
RUNS = "tests/services/reconciliation/test_runs.py"
RECOVERED = "tests/services/resilience/test_recovered_systems.py"
CIRCUITS, ATTEMPTS = "orderapp/services/resilience/circuit_breakers.py", "orderapp/services/saga/attempts.py"
RECONCILE, TIMER = "orderapp/services/reconciliation/reconcile.py", "tasks/timer.py"

MUTATIONS = (
    Mutation(
        "an order that can't be placed takes the right to try another system",
        ADMISSION,
        (("if failing and not refusals else frozenset()", "if failing else frozenset()"),),
        OF_ADMISSION,
    ),
    Mutation(
        "an order that can't be placed takes slots",
        ADMISSION,
        (("rate_per_second and not refusals:", "rate_per_second:"),),
        OF_ADMISSION,
    ),
    Mutation(
        "a system that is asked for its price is called once more than its rate allows",
        ADMISSION,
        (("return 2 if system.can(Verb.QUOTE) else 1", "return 1"),),
        OF_ADMISSION,
    ),
    Mutation(
        "a system without a circuit is taken for failing",
        ADMISSION,
        (("in standing.failing and system.limits.circuit_calls]", "in standing.failing]"),),
        OF_ADMISSION,
    ),
    Mutation(
        "a value's first character stays where it is escaped",
        MASKING,
        (("yield min(begins), max(ends)", "yield max(begins), max(ends)"),),
        OF_MASKING,
    ),
    Mutation(
        "a value that begins within what looks like it stays",
        MASKING,
        (("at = folded.find(anchor, at + 1)", "at = folded.find(anchor, at + 2)"),),
        OF_MASKING,
    ),
    Mutation(
        "requeueing a task takes back what was given up of others",
        "orderapp/services/backoffice/task_actions.py",
        (
            (
                "(ManualResolution.task_id == task.id) & (ManualResolution",
                "(ManualResolution.task_id == task.id) | (ManualResolution",
            ),
        ),
        ("tests/services/backoffice/test_manual_resolutions.py", "-k", "requeued and sqlite"),
    ),
    Mutation(
        "a row of a selection is told as done though its transaction was lost",
        "orderapp/services/backoffice/bulk.py",
        (("return ItemResult(row_id, number, False, told)", "return ItemResult(row_id, number, True, told)"),),
        ("tests/services/backoffice/test_bulk.py", "-k", "sqlite"),
    ),
    Mutation(
        "an order's effect ledger tells what other orders' tasks may have done",
        "orderapp/services/backoffice/case_files.py",
        (("Task.order_id == order_id, left_in_doubt()", "Task.order_id != order_id, left_in_doubt()"),),
        LEDGER,
    ),
    Mutation(
        "one task's answer ends the run of equal answers of others",
        ATTEMPTS,
        (("where(Task.id == task.id, Task.repeats == task.repeats)", "where(Task.repeats == task.repeats)"),),
        ("tests/services/engine/test_pending.py", "-k", "no_other_s and sqlite"),
    ),
    Mutation(
        "what was taken from a worker that undid is told as an act",
        ATTEMPTS,
        (("Verb.UNDO if task.kind == TaskKind.COMPENSATE", "Verb.UNDO if task.kind != TaskKind.COMPENSATE"),),
        ("tests/services/engine/test_run_query_first.py", "-k", "taken and sqlite"),
    ),
    Mutation(
        "the settlement of one system proves another's",
        "orderapp/services/saga/prior_attempts.py",
        (("            settling.system == Task.system,\n", ""),),
        ("tests/services/engine/test_absent_against_proof.py", "-k", "one_system and sqlite"),
    ),
    Mutation(
        "a code is kept that is longer than its column",
        ATTEMPTS,
        (("answer.code[:64]", "answer.code[:65]"),),
        ("tests/services/test_long_texts.py", "-k", "sqlite"),
    ),
    Mutation(
        "the reason of a lockout is longer than its column",
        CIRCUITS,
        (("MAX_REASON - len(mend)", "MAX_REASON + len(mend)"),),
        ("tests/services/test_long_texts.py", "-k", "sqlite"),
    ),
    Mutation(
        "a call that an open circuit forbade counts as one that failed",
        CIRCUITS,
        (("    called=False,\n", ""),),
        ("tests/services/resilience/test_circuit_breakers.py", "-k", "same_moment and sqlite"),
    ),
    Mutation(
        "a circuit that is closed is closed again",
        CIRCUITS,
        (
            (
                "update(Circuit).where(Circuit.system == system, NOT_CLOSED).values(_recovered())",
                "update(Circuit).where(Circuit.system == system).values(_recovered())",
            ),
        ),
        (RECOVERED, "-k", "sqlite"),
    ),
    Mutation(
        "a task is made due that may not try yet",
        "orderapp/services/engine/probes.py",
        ((", Circuit.probe_at <= db_now()\n    )\n    with", "\n    )\n    with"),),
        (RECOVERED, "-k", "sqlite"),
    ),
    Mutation(
        "an order that couldn't be written down isn't counted as passed over",
        RECONCILE,
        (
            (
                "        for one in compared:\n            saved = False\n",
                "        for one in compared:\n            saved = True\n",
            ),
        ),
        (RUNS, "-k", "written_down"),
    ),
    Mutation(
        "nobody pulls forward what waits for a system that is well again",
        TIMER,
        (("        pull_forward(with_settings)\n", ""),),
        ("tests/tasks/test_timer.py", "-k", "well_again"),
    ),
    Mutation(
        "a worker whose relay has failed waits for ever",
        "tasks/relay.py",
        (("os.kill(os.getpid(), signal.SIGTERM)", "pass"),),
        ("tests/tasks/test_timer.py", "-k", "relay_fails"),
    ),
    Mutation(
        "less than the lines cost is another total while a discount can't be asked for",
        "orderapp/services/placing/pricing.py",
        (("expected.minor > total.minor", "expected.minor < total.minor"),),
        ("tests/api/test_expected_totals.py", "-k", "asked_for"),
    ),
    Mutation(
        "the archive's folder stays open",
        "orderapp/services/archive/file.py",
        (
            (
                "        return made\n    finally:\n        os.close(folder)\n",
                "        return made\n    finally:\n        pass\n",
            ),
        ),
        ("tests/services/archive/test_file.py",),
    ),
)
