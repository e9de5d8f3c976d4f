"""Mistakes in what systems declare: inputs, payments, the order of work, callbacks."""

from __future__ import annotations

from tests.mutations.mutation import Mutation

SERVICES = "orderapp/services"
ORDER_OF_WORK = ("tests/services/engine/test_order_of_work.py",)
CALLBACKS = ("tests/api/test_callbacks.py",)
GIFTCARD = ("tests/examples/test_giftcard.py",)

MUTATIONS = (
    Mutation(
        "a task is run before those that it waits for",
        f"{SERVICES}/engine/claim.py",
        (("        raise NotYet(waited_for)\n", "        pass\n"),),
        tests=ORDER_OF_WORK,
    ),
    Mutation(
        "a task that waited isn't told when it may begin",
        f"{SERVICES}/engine/run_task.py",
        (("        order_of_work.release(session, task, run.systems)\n", ""),),
        tests=ORDER_OF_WORK,
    ),
    Mutation(
        "a refusal cancels no order",
        f"{SERVICES}/engine/run_task.py",
        (("        turn_to_cancelled(session, task.its_order_id, run.systems, refusal)\n", ""),),
        tests=ORDER_OF_WORK,
    ),
    Mutation(
        "work that isn't money is left in place when its order is cancelled",
        "orderapp/domain/states.py",
        (("frozenset({TaskKind.SETTLE, TaskKind.TASK})", "frozenset({TaskKind.SETTLE})"),),
        tests=ORDER_OF_WORK,
    ),
    Mutation(
        "what is in place without an id isn't undone",
        "orderapp/domain/outcome.py",
        (('return self.effects or (("",) if self.finding is Finding.IN_PLACE else ())', "return self.effects"),),
        tests=("tests/services/saga/test_compensation.py",),
    ),
    Mutation(
        "nothing after our own undo is for staff",
        f"{SERVICES}/engine/perform.py",
        (("    if claim.known.undo_doubtful:\n", "    if False:\n"),),
        tests=("tests/services/engine/test_absent_against_proof.py",),
    ),
    Mutation(
        "a callback that isn't signed counts",
        f"{SERVICES}/engine/callbacks.py",
        (("None if heard is None else sorted(set(heard))", "sorted(set(heard or []))"),),
        tests=CALLBACKS,
    ),
    Mutation(
        "the same callback counts each time",
        f"{SERVICES}/engine/callbacks.py",
        (("            lately = _was_acted_on(session, system, key)\n", "            lately = False\n"),),
        tests=CALLBACKS,
    ),
    Mutation(
        "a callback that comes while its task runs is lost",
        f"{SERVICES}/engine/run_task.py",
        (("        act_on_heard(session, task, run.system)\n", "        pass\n"),),
        tests=CALLBACKS,
    ),
    Mutation(
        "a callback uses up the attempts of a task that fails",
        f"{SERVICES}/engine/callbacks.py",
        (("if task.pending_answers and not task.last_code]", "]"),),
        tests=CALLBACKS,
    ),
    Mutation(
        "nonsense of a connector is believed",
        "orderapp/systems/guarding.py",
        (("            flaw = flaw_of(given, system)\n", "            flaw = None\n"),),
        tests=("tests/systems/test_returned.py",),
    ),
    Mutation(
        "a process tries an order again without what another system took off",
        f"{SERVICES}/placing/place.py",
        (("            if taken_off.source not in self._systems:\n", "            if False:\n"),),
        tests=GIFTCARD,
    ),
    Mutation(
        "a private input is kept in histories",
        "orderapp/systems/base.py",
        (("        return (order.customer.name, order.customer.email, corrected, order.customer.phone, *typed)\n",
          "        return (order.customer.name, order.customer.email, corrected, order.customer.phone)\n"),),
        tests=GIFTCARD,
    ),
    Mutation(
        "a gift card is taken off before the discounts",
        "orderapp/domain/discounts.py",
        (("sorted(offers, key=lambda one: one.is_payment)", "offers"),),
        tests=("tests/domain/test_discounts.py",),
    ),
)  # fmt: skip
