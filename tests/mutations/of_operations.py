"""Mistakes in operations: a task twice, a task forgotten, an act that nobody wanted any more."""

from __future__ import annotations

from tests.mutations.mutation import Mutation

BACKOFFICE = "orderapp/services/backoffice"
OPERATIONS = ("tests/services/backoffice/test_operations.py",)

MUTATIONS = (
    Mutation(
        "an operation acts on a task without taking its item",
        f"{BACKOFFICE}/operation_job.py",
        (
            (
                "            if not move(session, OperationItem, ItemState.ACTED, *this, acted_at=db_now()):\n",
                "            if False:\n",
            ),
        ),
        tests=OPERATIONS,
    ),
    Mutation(
        "a run goes on with an operation that another one has",
        f"{BACKOFFICE}/operation_job.py",
        (
            (
                "        self._ours = Operation.id == self._id, Operation.turn == self._turn\n",
                "        self._ours = (Operation.id == self._id,)\n",
            ),
        ),
        tests=OPERATIONS,
    ),
    Mutation(
        "a paused operation goes on until its batch is through",
        f"{BACKOFFICE}/operation_job.py",
        (
            (
                "        goes_on = exists().where(*self._ours, Operation.state == OperationState.RUNNING.value)\n",
                "        goes_on = exists().where(*self._ours)\n",
            ),
        ),
        tests=OPERATIONS,
    ),
    Mutation(
        "an item is taken in a transaction before the act on its task",
        f"{BACKOFFICE}/operation_job.py",
        (
            (
                "            task = session.get(Task, item.task_id)\n",
                "        with self._run.transaction() as session:\n"
                "            task = session.get(Task, item.task_id)\n",
            ),
        ),
        tests=OPERATIONS,
    ),
    Mutation(
        "an operation ends with its first batch",
        f"{BACKOFFICE}/operation_job.py",
        (
            (
                "        if not items:\n            return work.rest(operation)\n",
                "        return work.rest(operation)\n",
            ),
        ),
        tests=OPERATIONS,
    ),
    Mutation(
        "an operation ends before it is known what became of its tasks",
        f"{BACKOFFICE}/operation_job.py",
        (("        if counts.get(ItemState.ACTED):\n", "        if False:\n"),),
        tests=OPERATIONS,
    ),
    Mutation(
        "two operations do the same to the same task",
        f"{BACKOFFICE}/operations.py",
        (("            others = _leave_to_others(session, operation)\n", "            others: list[int] = []\n"),),
        tests=OPERATIONS,
    ),
    Mutation(
        "what may happen twice is requeued along with the others",
        f"{BACKOFFICE}/operation_drafts.py",
        (("        if objection is not None:\n", "        if objection is not None and objection.risk is None:\n"),),
        tests=OPERATIONS,
    ),
    Mutation(
        "a stopped operation stays paused for ever",
        f"{BACKOFFICE}/operations.py",
        (
            (
                "        if operation.state == OperationState.PAUSED.value:\n"
                "            _go_on(session, operation)\n"
                "        operation",
                "        operation",
            ),
        ),
        tests=OPERATIONS,
    ),
)
