"""Mistakes in claiming, running, recording, recovering and relaying tasks."""

from __future__ import annotations

from tests.mutations.mutation import Mutation

SERVICES = "orderapp/services"
CLAIMING = f"{SERVICES}/engine/claim.py"
TAKING = f"{SERVICES}/engine/claim_plan.py"
EARLIER = f"{SERVICES}/saga/prior_attempts.py"
PERFORMING = f"{SERVICES}/engine/perform.py"
RUNNING = f"{SERVICES}/engine/run_task.py"
ENDING = f"{SERVICES}/engine/moving_on.py"
RECOVERING = f"{SERVICES}/engine/recovery.py"
STAFF = f"{SERVICES}/backoffice/task_actions.py"
CIRCUMSTANCES = "orderapp/services/backoffice/circumstances.py"
HISTORY = f"{SERVICES}/saga/attempts.py"
RAN = f"{SERVICES}/engine/ended_run.py"
# The model runs tasks one by one.
TOGETHER = ("tests/services/engine/test_batch.py",)
PENDING = ("tests/services/engine/test_pending.py",)

MUTATIONS = (
    Mutation(
        "a task is claimed from its worker",
        TAKING,
        (
            ("        moving(Task, TaskState.RUNNING)\n", "        table.update()\n"),
            ("            publish_at=None,\n", '            publish_at=None,\n            state="running",\n'),
            ("        Task.state == TaskState.WAITING.value,\n", '        Task.state.in_(["waiting", "running"]),\n'),
        ),
    ),
    Mutation("a task is run before it is due", TAKING, (("        Task.due_at <= db_now(),\n", ""),)),
    Mutation(
        "an attempt is counted when it is recorded, not when it begins",
        ENDING,
        (
            (
                "    if snoozed:\n",
                '    values["attempts"] = _TASKS.attempts + 1\n    if not state:\n',
            ),
        ),
    ),
    Mutation(
        "those that died together run together again",
        CLAIMING,
        (("        raise NotBeside\n", "        pass\n"),),
        # The model's games are played by one worker at a time.
        tests=("tests/services/engine/test_poison.py",),
    ),
    Mutation("an attempt isn't counted at its claim", TAKING, (("            attempts=Task.attempts + 1,\n", ""),)),
    Mutation(
        "a query_first system is called again without asking",
        PERFORMING,
        (("    if system.guarantee is Guarantee.QUERY_FIRST:\n        return _act_unless_done(claim, system)\n", ""),),
    ),
    Mutation(
        "what a system accepted and finishes later is sent to it again",
        EARLIER,
        (("        return self.doubtful or self.accepted\n", "        return self.doubtful\n"),),
    ),
    Mutation(
        "a later claim knows as little of earlier attempts as a first one",
        CLAIMING,
        (("    if not untouched or task.kind == TaskKind.COMPENSATE.value:\n", "    if False:\n"),),
        tests=("tests/services/engine/test_run_query_first.py",),
    ),
    Mutation(
        "what isn't there is done again before the late window",
        PERFORMING,
        (
            (
                "    if claim.known.absent_in_seconds > 0:\n"
                "        return Verb.ASK, _too_early(claim, found)\n    if claim.known.accepted",
                "    if claim.known.accepted",
            ),
        ),
    ),
    Mutation(
        "what isn't there is compensated before the late window",
        PERFORMING,
        (
            (
                "    if report.finding is Finding.ABSENT and claim.known.absent_in_seconds > 0:\n"
                "        return Verb.ASK, _too_early(claim, found)\n"
                "    if report.finding is Finding.ABSENT and claim.known.proven",
                "    if report.finding is Finding.ABSENT and claim.known.proven",
            ),
        ),
    ),
    Mutation(
        "absence is believed against the system's own answer",
        PERFORMING,
        (("claim.known.proven:", "claim.known.proven is None:"),),
        tests=("tests/services/engine/test_absent_against_proof.py",),
    ),
    Mutation(
        "requeueing makes a key younger",
        STAFF,
        (("    more: dict[str, Any] = {}\n", '    more: dict[str, Any] = {"key_used_at": db_now()}\n'),),
        tests=("tests/services/engine/test_keys_that_die.py",),
    ),
    Mutation(
        "a surplus is taken back with what has to stay",
        PERFORMING,
        (("    surplus = report.in_place[claim.task.keep :]\n", "    surplus = report.in_place\n"),),
    ),
    Mutation(
        "an unsafe call is repeated",
        "orderapp/domain/retry.py",
        (
            (
                "    if answer.outcome is Outcome.UNKNOWN and guarantee is Guarantee.UNSAFE:\n",
                "    if guarantee is None:\n",
            ),
        ),
    ),
    Mutation(
        "there is no end to attempts",
        "orderapp/domain/retry.py",
        (("    if used.attempts >= used.attempt_limit:\n", "    if used.attempts >= used.attempt_limit + 1000:\n"),),
    ),
    Mutation(
        "who lost a task records its end",
        ENDING,
        (('_TASKS.fencing == bindparam("our_fencing"))\n', 'bindparam("our_fencing") > 0)\n'),),
    ),
    Mutation(
        "who lost a task snoozes it",
        ENDING,
        (
            (
                "    return moving(Task, state).where(*ours, ",
                "    if snoozed:\n"
                '        ours = (_TASKS.id == bindparam("our_task"), bindparam("our_fencing") > 0)\n'
                "    return moving(Task, state).where(*ours, ",
            ),
        ),
    ),
    Mutation(
        "a snooze uses up an attempt",
        ENDING,
        (('        values["attempts"] = _TASKS.attempts - 1\n', "        pass\n"),),
    ),
    Mutation(
        "an unknown call begins no late window",
        ENDING,
        (
            (
                '        values["absent_from"] = db_now(bindparam("late_window_seconds", type_=Float))\n',
                "        pass\n",
            ),
        ),
    ),
    Mutation(
        "a settlement that came after its order was cancelled is dropped",
        RUNNING,
        (("        reopen(session, task.its_order_id, task.its_placement_id, system)\n", "        pass\n"),),
    ),
    Mutation(
        "a settlement that two workers made stays twice",
        RUNNING,
        (("        plan_surplus(session, task.its_order_id, task.its_placement_id, system)\n", "        pass\n"),),
    ),
    Mutation(
        "a task that waits isn't told of",
        ENDING,
        (('        "publish_at": later,\n', '        "publish_at": None,\n'),),
    ),
    Mutation(
        "a transaction stays open over the call",
        RUNNING,
        (
            (
                "    verb, answer = perform(held, in_turn(system, held.turns))\n",
                "    with writing() as open_one:\n        open_one.get(Task, held.task.id)\n"
                "        verb, answer = perform(held, in_turn(system, held.turns))\n",
            ),
        ),
    ),
    Mutation(
        "who lost a task records its end with those of others",
        f"{SERVICES}/engine/finish.py",
        (("_TASKS.fencing == run.c.fencing, ", ""),),
        tests=TOGETHER,
    ),
    Mutation(
        "what was claimed with others and not begun counts as tried",
        CLAIMING,
        (('                "attempts": Task.attempts - 1,\n', ""),),
        tests=TOGETHER,
    ),
    Mutation(
        "what was claimed with others and not begun is kept",
        f"{SERVICES}/engine/batch.py",
        (("                give_back(left)\n", "                pass\n"),),
        tests=TOGETHER,
    ),
    Mutation(
        "after a failure the others are called all the same",
        f"{SERVICES}/engine/batch.py",
        (("        works = last.decision.verdict is Verdict.DONE\n", "        works = last is not None\n"),),
        tests=TOGETHER,
    ),
    Mutation(
        "tasks that may not be done twice run together",
        f"{SERVICES}/engine/batch.py",
        (("        if not self._together:\n            return 1\n", ""),),
        tests=TOGETHER,
    ),
    Mutation(
        "what comes too early for its system's rate isn't told of when its slot comes",
        CLAIMING,
        (("        rate_limiter.tell_in_time(task_id, refused.system)\n", "        del refused\n"),),
        tests=("tests/services/resilience/test_rate_limiter.py",),
    ),
    Mutation(
        "a lapsed lease leaves no attempt behind",
        RECOVERING,
        (
            (
                "        record_attempt(session, task, Try(verb_of(task), WORKER_DIED, now, now))",
                "        pass",
            ),
        ),
    ),
    Mutation(
        "a lapsed lease begins no late window",
        RECOVERING,
        (
            (
                '            late["absent_from"] = db_now(runs.late_window_seconds)\n',
                "            pass\n",
            ),
        ),
        # Few games come to it: a worker dies with a call that comes through late, and the next run is in between.
        tests=("tests/services/engine/test_run_query_first.py",),
    ),
    Mutation(
        "the timer recovers no submissions",
        RECOVERING,
        (
            (
                "            placements += _recover_placement(submission_id, settings)\n",
                "            pass\n",
            ),
        ),
    ),
    Mutation(
        "a row is marked as published before the broker has confirmed its message",
        "tasks/relay.py",
        (
            (
                "            broker.enqueue(hint_message([hint.task_id for hint in hints], hints[0].system))\n"
                "            confirmed.extend(hints)\n",
                "            confirmed.extend(hints)\n"
                "            broker.enqueue(hint_message([hint.task_id for hint in hints], hints[0].system))\n",
            ),
        ),
    ),
    Mutation(
        "a published row is never published again",
        f"{SERVICES}/engine/outbox.py",
        ((".values(publish_at=db_now(again_seconds))\n", ".values(publish_at=None)\n"),),
    ),
    Mutation(
        "what is taken from a worker counts as never tried",
        f"{SERVICES}/saga/attempts.py",
        (
            (
                "            record_attempt(session, task, Try(verb_of(task), TAKEN_AWAY, now, now))\n",
                "            pass\n",
            ),
        ),
    ),
    Mutation(
        "what staff took from a worker and requeue begins no late window",
        STAFF,
        (
            (
                '        more["absent_from"] = db_now(runs.may_appear_for_seconds)\n',
                "        pass\n",
            ),
        ),
        # Few games come to it: staff act at the one moment when a worker has the task.
        tests=("tests/services/engine/test_run_query_first.py",),
    ),
    Mutation(
        "staff requeue what a worker has",
        STAFF,
        (
            ('    if state is TaskState.RUNNING:\n        return Objection("a worker has it right now")\n', ""),
            ("{TaskState.FAILED, TaskState.WAITING, ", "{TaskState.FAILED, TaskState.RUNNING, TaskState.WAITING, "),
        ),
    ),
    Mutation(
        "staff have the news of an earlier placement sent",
        CIRCUMSTANCES,
        (("    if not seen.is_present:\n", "    if False:\n"),),
        tests=("tests/services/backoffice/test_stale_news.py",),
    ),
    Mutation(
        "staff have news sent of an end that an order doesn't come to",
        CIRCUMSTANCES,
        (("    if seen.order_end is not END_TOLD[News(task.news or News.CONFIRMED)]:\n", "    if False:\n"),),
        tests=("tests/services/backoffice/test_manual_resolutions.py",),
    ),
    Mutation(
        "due times by this process's clock",
        ENDING,
        (
            (
                '    later = db_now(bindparam("delay_seconds", type_=Float)) if',
                "    import datetime as dt\n\n"
                '    later = bindparam("now", callable_=lambda: dt.datetime.now(dt.UTC)) if',
            ),
        ),
        # The model moves the database's clock and the monotonic one; this mistake reads a third.
        tests=("tests/services/engine/test_run_task.py",),
    ),
    Mutation(
        "what staff have cleared counts as said already",
        HISTORY,
        ((" or newest.number <= task.cleared_claims", ""),),
        tests=PENDING,
    ),
    Mutation(
        "the end of a run of equal answers hasn't their number",
        RAN,
        ((" and not task.repeats", ""),),
        tests=PENDING,
    ),
    Mutation(
        "an equal answer is counted twice where the commit's answer was lost",
        RUNNING,
        (("or_(written, moved)", "written"),),
        tests=PENDING,
    ),
)
