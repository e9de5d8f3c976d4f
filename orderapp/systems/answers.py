"""What an HTTP answer means by its status and body: the contract's table, and how a body is read.

A connector must still check that a 2xx has the documented body; if it hasn't, the answer is `unreadable`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

from orderapp import strict_json
from orderapp.domain.outcome import Answer, Outcome
from orderapp.systems.lockouts import BY_STATUS

# The contract's table of answers ("Common to the HTTP systems"). Whatever isn't listed is unknown.
OUTCOMES: Mapping[int, tuple[Outcome, bool]] = {  # status: (outcome, whether repeating it can help)
    **dict.fromkeys(range(200, 300), (Outcome.DONE, True)),
    400: (Outcome.NOT_SENT, False),
    401: (Outcome.NOT_SENT, False),
    403: (Outcome.NOT_SENT, False),
    407: (Outcome.NOT_SENT, False),
    404: (Outcome.NOT_SENT, False),
    409: (Outcome.REFUSED, False),
    422: (Outcome.REFUSED, False),
    429: (Outcome.NOT_SENT, True),
}
# The contract's snake_case; anything else isn't the code of a documented error.
CODE = re.compile(r"[a-z0-9_]{1,64}")


@dataclass(frozen=True, slots=True)
class Received:
    """A call's outcome by status alone, and the content of its answer."""

    answer: Answer  # DONE for every 2xx: whether it has the documented body is for the system to judge
    status: int = 0  # of HTTP; 0 if no answer came
    body: Mapping[str, Any] | None = None  # the JSON object, if there was one
    raw: bytes = b""  # the body as it came


def unreadable(received: Received) -> Answer:
    """Return the answer for a 2xx whose body isn't of the documented shape, or isn't about our key: unknown."""
    return Answer(
        Outcome.UNKNOWN,
        "unreadable_answer",
        f"answered {received.status} with a body that isn't the documented one",
        exchanges=received.answer.exchanges,
    )


def error_code(received: Received) -> str:
    """Return the code of a documented error body; empty if there is none."""
    error = (received.body or {}).get("error")
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, str) and CODE.fullmatch(code) else ""


def judge(status: int, raw: bytes, headers: Mapping[str, str], masked: Callable[[str], str]) -> Received:
    """Return the meaning of an answer by the contract's table, and its content. Raises nothing.

    Args:
        status: Its status.
        raw: Its body.
        headers: Its headers.
        masked: Hides private data in the system's texts.
    """
    try:
        body = parse(raw)
        return Received(_answer_by_status(status, body, headers, masked), status, body, raw)
    except Exception:  # noqa: BLE001 - nobody knows all that can be sent, and what can't be read proves nothing
        return Received(Answer(Outcome.UNKNOWN, "unreadable_answer", f"answered {status} in no readable way"), status)


def whole(value: Any) -> int | None:
    """Return a JSON value as an integer; JSON has only one number type, so 10.0 is 10. None for anything else.

    Example:
        >>> whole(10.0), whole(True), whole("10")
        (10, None, None)
    """
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if type(value) is int else None  # for isinstance, True would be an int too


def _answer_by_status(
    status: int, body: Mapping[str, Any] | None, headers: Mapping[str, str], masked: Callable[[str], str]
) -> Answer:
    outcome, repeatable = OUTCOMES.get(status, (Outcome.UNKNOWN, True))
    code = error_code(Received(Answer(outcome), status, body))
    if outcome is Outcome.REFUSED and not code:
        # A refusal counts only with a documented body, because a proxy in between may answer 409 too.
        outcome, repeatable = Outcome.UNKNOWN, True
    if outcome is Outcome.DONE:
        return Answer(outcome)
    said = (body or {})["error"].get("message") if code else None
    message = masked(said) if isinstance(said, str) else ""
    said_so = f"{status}{f' {code}' if code else ''}{f': {message}' if message else ''}"
    what = BY_STATUS.get(status)
    return Answer(
        outcome,
        code or f"http_{status}",
        f"{what} ({said_so})" if what else f"answered {said_so}",
        locked_out=what is not None,
        repeatable=repeatable,
        slow_down=status == 429,
        retry_after_seconds=_retry_after_seconds(headers.get("Retry-After", ""), headers.get("Date", "")),
    )


def parse(raw: bytes) -> Mapping[str, Any] | None:
    """Return the JSON object a body holds; None for anything else, such as NaN, a member twice, or bad UTF-8."""
    try:
        parsed = strict_json.parse(raw.decode("utf-8-sig"))  # accept a byte order mark at the start
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) else None


def _retry_after_seconds(raw: str, answered: str) -> float | None:
    """Return the seconds to wait by a Retry-After header (RFC 9110, 10.2.3): a number or a date; None for other values.

    A date is relative to the answer's own Date, because both use the system's clock; without a Date we use our clock.
    """
    if raw.strip().isdecimal():
        return float(raw.strip()[:9])
    until = _moment(raw)
    if until is None:
        return None
    now = _moment(answered)
    return max(0.0, until - (time.time() if now is None else now))


def _moment(raw: str) -> float | None:
    try:
        moment = parsedate_to_datetime(raw)
        # A date without a zone is in UTC (RFC 9110, 5.6.7).
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError, TypeError, OSError):  # the year 9999999999, and what else no clock shows
        return None
