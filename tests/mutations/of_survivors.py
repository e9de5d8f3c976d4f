"""Mistakes that random drawing (`make mutants`) made and no test noticed, until the one that is named with each."""

from __future__ import annotations

from tests.mutations.mutation import Mutation

ADMISSION, MASKING = "orderapp/services/resilience/load_shedding.py", "orderapp/domain/masking.py"
OF_ADMISSION = ("tests/services/resilience/test_load_shedding.py", "-k", "sqlite")
OF_MASKING = ("tests/domain/test_masking.py",)

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
)
