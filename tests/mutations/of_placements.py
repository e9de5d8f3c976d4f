"""Mistakes in placing orders, deciding about placements, and cancelling."""

from __future__ import annotations

from tests.mutations.mutation import Mutation

SERVICES = "orderapp/services"
CONFIRMING = f"{SERVICES}/placing/tx2.py"
DECIDING = f"{SERVICES}/saga/abort.py"
OPENING = f"{SERVICES}/placing/tx1.py"
CALLING = f"{SERVICES}/placing/blocking_calls.py"
COMPENSATION = f"{SERVICES}/saga/compensation.py"
SUBMISSIONS = f"{SERVICES}/saga/submissions.py"

MUTATIONS = (
    Mutation(
        "calls go out under other keys than those committed",
        OPENING,
        (
            (
                "PlannedStep(row.id, row.system, row.key) for row in steps",
                "PlannedStep(row.id, row.system, f'{row.key}:x') for row in steps",
            ),
        ),
    ),
    Mutation(
        "a placement reuses the keys of the one before",
        "orderapp/domain/keys.py",
        (('    key = f"{order_number}:{placement_number}:{system}"\n', '    key = f"{order_number}:1:{system}"\n'),),
    ),
    Mutation(
        "an unknown outcome is taken for a refusal",
        f"{SERVICES}/saga/values.py",
        (
            (
                "        if self.resumed or any(one.answer.outcome is Outcome.UNKNOWN for one in self.tries):\n"
                "            return StepState.UNKNOWN\n",
                "        if self.answer.outcome is Outcome.UNKNOWN:\n            return StepState.REFUSED\n",
            ),
        ),
    ),
    Mutation(
        "an unknown outcome before a refusal is forgotten",
        f"{SERVICES}/saga/values.py",
        (
            (
                "any(one.answer.outcome is Outcome.UNKNOWN for one in self.tries)",
                "self.answer.outcome is Outcome.UNKNOWN",
            ),
        ),
    ),
    Mutation(
        "who lost the lease confirms or turns round all the same",
        SUBMISSIONS,
        (
            (
                '        _SUBMISSIONS.fencing == bindparam("held_fencing"),\n',
                '        bindparam("held_fencing") > 0,\n',
            ),
        ),
        # Few games of the model come to a zombie that ends while the next holder is at work.
        tests=("tests/services/placing/test_late_success.py",),
    ),
    Mutation(
        "a submission is taken over from a living holder",
        SUBMISSIONS,
        (
            ("    if known.lease_left_seconds > 0:\n", "    if known.lease_left_seconds > 1e9:\n"),
            (
                ".where(Submission.id == known.id, Submission.lease_until < db_now())",
                ".where(Submission.id == known.id, Submission.lease_until.is_not(None))",
            ),
        ),
    ),
    Mutation(
        "other content under a key in use is told to ask again later",
        SUBMISSIONS,
        (
            ("    if not content_hash.is_that_of(known.content_hash):\n        raise KeyReused(known.order_id)\n", ""),
            (
                "    started = time.monotonic()\n    with writing() as session:\n        taken",
                "    if not content_hash.is_that_of(known.content_hash):\n        raise KeyReused(known.order_id)\n"
                "    started = time.monotonic()\n    with writing() as session:\n        taken",
            ),
        ),
    ),
    Mutation(
        "a resumed query_first step is called again without asking",
        CALLING,
        (("    if held.resumed and system.guarantee is", "    if not held.document and system.guarantee is"),),
    ),
    Mutation(
        "a resumed step that isn't there is believed before the late window",
        CALLING,
        ((" and (held.idle_seconds or 0.0) >= system.late_window_seconds:", ":"),),
    ),
    Mutation(
        "a call is begun with too little of the lease left",
        CALLING,
        (
            (
                "        if held.seconds_left() < system.call_seconds:\n"
                "            _note(result, Verb.ACT, lambda: NO_TIME)\n            return\n",
                "",
            ),
        ),
    ),
    Mutation(
        "the check-back leaves planned steps as they are",
        DECIDING,
        (("    _doubt_planned_steps(session, submission.placement_id, [])\n", ""),),
    ),
    Mutation(
        "turning round a resumed placement leaves planned steps as they are",
        DECIDING,
        (
            (
                "        if held.resumed:\n            # The previous holder may",
                "        if held.fencing < 0:\n            # The previous holder may",
            ),
        ),
    ),
    Mutation(
        "only what is known to be done is compensated",
        COMPENSATION,
        (
            (
                "where(Step.placement_id == placement_id, Step.state.in_(HOLDING))",
                'where(Step.placement_id == placement_id, Step.state == "done")',
            ),
        ),
    ),
    Mutation(
        "a compensation knows no late window",
        COMPENSATION,
        (('        "absent_from": db_now(system.late_window_seconds),\n', '        "absent_from": db_now(),\n'),),
    ),
    Mutation(
        "a late success of a submission is dropped",
        DECIDING,
        (("                reopen(session, held.order_id, held.placement_id, system)\n", "                pass\n"),),
    ),
    Mutation(
        "a late success gets no late window of its own",
        COMPENSATION,
        (('    window = {"absent_from": db_now(system.late_window_seconds), ', "    window = {"),),
        # It takes a late unknown after the compensation has closed, and then the system's own lateness.
        tests=("tests/services/placing/test_late_success.py",),
    ),
    Mutation(
        "what two holders did twice stays twice",
        COMPENSATION,
        (('    _write(session, placement_id, [{**row, "keep": 1}])\n', "    pass\n"),),
    ),
    Mutation(
        "an order is closed while another placement of it still holds something",
        COMPENSATION,
        (
            (
                "    if order.state != OrderState.COMPENSATING.value or _holds(\n"
                "        session, Step.order_id == order_id, Task.order_id == order_id\n    ):\n",
                "    if order.state != OrderState.COMPENSATING.value:\n",
            ),
        ),
    ),
    Mutation(
        "a cancelled compensation counts as complete",
        COMPENSATION,
        (("Task.state != TaskState.DONE.value)", 'Task.state.not_in(("done", "cancelled")))'),),
        tests=("tests/services/saga/test_compensation.py",),
    ),
    Mutation(
        "cancelling an order leaves its settlement running",
        COMPENSATION,
        (
            (
                "CANCELLED, *forward, fencing=Task.fencing + 1, last_message=why",
                'CANCELLED, *forward, Task.kind == "notify", fencing=Task.fencing + 1, last_message=why',
            ),
        ),
    ),
    Mutation(
        "cancelling an order gives back no settlement",
        COMPENSATION,
        (
            (
                "Task.kind.in_(LASTING_KINDS), Task.claims > 0",
                "Task.kind.in_(LASTING_KINDS), Task.claims < 0",
            ),
        ),
    ),
    Mutation(
        "tasks are committed before the order is confirmed",
        CONFIRMING,
        (
            (
                '    parameters = {\n        "held_submission"',
                '    ours = {"order_id": held.order_id, "placement_id": held.placement_id}\n'
                "    with writing() as early:\n"
                "        early.execute(\n"
                "            insert(_TASKS).values(due_at=db_now(), publish_at=db_now(), created_at=db_now()),\n"
                "            [{**ours, **row} for row in tasks],\n"
                "        )\n"
                '    parameters = {\n        "held_submission"',
            ),
            ('        "tasks": as_json(tasks),\n', '        "tasks": "[]",\n'),
        ),
    ),
    Mutation(
        "an order is confirmed without its settlement",
        CONFIRMING,
        (
            (
                "        for part in (Part.SETTLE, Part.TASK, Part.NOTIFY)\n",
                "        for part in (Part.TASK, Part.NOTIFY)\n",
            ),
        ),
    ),
    Mutation(
        "there is no lock on the cart",
        f"{SERVICES}/placing/cart_locks.py",
        (("    if taken is None:\n", "    if taken is None and opening.cart_hash == str():\n"),),
    ),
    Mutation(
        "the cart is looked at first and locked later",
        f"{SERVICES}/placing/prepare.py",
        (
            (
                "    priced = price(request, before.products)\n",
                "    import types\n    import uuid\n\n"
                "    from orderapp.services.placing.cart_locks import refuse_locked\n"
                "    from orderapp.services.db.transactions import reading\n\n"
                "    if not request.allow_duplicate:\n        with reading() as session:\n"
                "            looked = hash_cart(submitted.by.scope, request)\n"
                "            cart = types.SimpleNamespace(cart_hash=looked, duplicate_window_seconds=60)\n"
                "            refuse_locked(session, uuid.uuid4(), cart)\n"
                "    priced = price(request, before.products)\n",
            ),
            (
                "language=request.language or settings.language)\n",
                "language=request.language or settings.language, allow_duplicate=True)\n",
            ),
        ),
    ),
    Mutation(
        "states are written without regard to what they were",
        f"{SERVICES}/db/transitions.py",
        (
            (
                "    return update(table_of(model)).where(may_move(model, to)).values",
                "    return update(table_of(model)).values",
            ),
        ),
    ),
    Mutation(
        "a claim that has waited for a mail reads the address that was corrected meanwhile before it waits",
        f"{SERVICES}/engine/claim.py",
        (("    untouched = task.fencing == 1\n", "    untouched = True\n"),),
        tests=("tests/services/orders/test_address_corrections_at_once.py",),
    ),
    Mutation(
        "a confirmation is sent to a corrected address under the key of the one before",
        f"{SERVICES}/saga/news.py",
        (('            "key": next_key(task.key),\n', '            "key": task.key,\n'),),
        tests=("tests/web/test_corrected_address.py",),
    ),
)
