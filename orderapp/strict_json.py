"""Reads JSON from outside strictly by RFC 8259; refuses anything ambiguous or unreadable for other parsers."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from typing import Any

# No valid document has more than eight levels. The standard parser fails at about a thousand, when the stack is full,
# and then any clean-up that Python does at that moment fails too.
DEEPEST_LEVELS = 100
# Python's own limit: the time to convert digits grows with the square of their number.
MOST_DIGITS = 4_300
# A string, closed or not, or a bracket. Possessive, so that no text causes backtracking.
TOKENS = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[\[{]|[\]}]', re.DOTALL)


def parse(text: str, most_digits: int = MOST_DIGITS) -> Any:
    """Return the value of a JSON text.

    Args:
        text: The text as received.
        most_digits: The most digits an integer may have; at most MOST_DIGITS.

    Raises:
        ValueError: it isn't JSON, has a member twice in one object, is nested too deeply or has a number that is too
            large; the message completes "This isn't JSON: ...".
    """

    def whole_number(digits: str) -> int:
        if len(digits) > most_digits:
            raise ValueError(f"a number of {len(digits)} digits")
        return int(digits)

    _refuse_depths(text)
    return json.loads(
        text,
        parse_constant=_refuse_constant,
        parse_int=whole_number,
        parse_float=_finite,
        object_pairs_hook=_without_duplicates,
    )


def _refuse_depths(text: str) -> None:
    if text.count("[") + text.count("{") <= DEEPEST_LEVELS:
        return  # nearly every text
    levels = 0
    for token in TOKENS.finditer(text):
        match token[0]:
            case "[" | "{":
                levels += 1
                if levels > DEEPEST_LEVELS:
                    raise ValueError("it is nested too deeply")
            case "]" | "}":
                levels -= 1


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("a number that is too large")
    return number


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        twice = next(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
        raise ValueError(f"an object has {json.dumps(twice)[:60]} twice")
    return made
