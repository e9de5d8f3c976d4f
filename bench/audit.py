"""Compares the shop's answers with the effects in the external systems."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bench.load import Answered


def audit(answers: Iterable[Answered], effects: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Return a line for each effect of a confirmed order that isn't there exactly once, and for each other effect.

    Args:
        answers: What the shop answered.
        effects: How many are in place, by system and then by order or phone number.
    """
    wrong = []
    strays = {(system, whose): count for system, counted in effects.items() for whose, count in counted.items()}
    for one in answers:
        for system in one.submission.systems if one.confirmed else ():
            whose = one.submission.phone if system == "sms" else str(one.order.get("number"))
            found = strays.pop((system, whose), 0)
            if found != 1:
                wrong.append(f"{system} has {found} effects of the confirmed order {one.order.get('number')}")
    return wrong + [f"{system} has {count} effects of {whose}" for (system, whose), count in strays.items() if count]
