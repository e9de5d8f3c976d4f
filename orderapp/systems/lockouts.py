"""Detects that a system refuses all our calls, not one request: our credentials or its address must be corrected.

No call succeeds meanwhile, so the engine treats it as an outage of that system (`Answer.locked_out`).
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import replace

from orderapp.domain.outcome import Answer, Outcome

# What is wrong, as the end of a sentence that begins with the system's title.
BY_STATUS: Mapping[int, str] = {
    401: "refuses our credentials",
    403: "refuses us access",
    407: "is behind a proxy that refuses our credentials",
}
# SMTP's answers that lock us out (RFC 4954, 6): authentication is required, too weak a mechanism, refused, only over
# TLS.
SMTP_CODES = frozenset({530, 534, 535, 538})
# The usual reason, for `lock_out`.
CREDENTIALS = "refuses our credentials"
# A name that doesn't exist. (A name server that doesn't answer is an ordinary outage.)
_NO_SUCH_NAME = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})


def lock_out(answer: Answer, what: str) -> Answer:
    """Return the answer for a system that refuses all our calls: nothing happened, and its tasks wait.

    Args:
        answer: What it answered.
        what: What is wrong, as the end of a sentence that begins with the system's title.
    """
    return replace(answer, outcome=Outcome.NOT_SENT, message=what, repeatable=False, locked_out=True)


def why_unreachable(error: BaseException) -> str:
    """Return why a failed connection can't succeed until settings are corrected; empty for any other failure.

    The reason is a text for `lock_out`.
    """
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"has a certificate that isn't trusted ({cause.verify_message}); nothing was sent"
        if isinstance(cause, PermissionError):
            return "leads to a network address that isn't permitted; nothing was sent"
        if isinstance(cause, socket.gaierror) and cause.errno in _NO_SUCH_NAME:
            return "has an address whose host name nobody knows; nothing was sent"
    return ""


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and its causes, however libraries have wrapped them."""
    left, seen = [error], set()
    while left:
        one = left.pop()
        if id(one) not in seen:
            seen.add(id(one))
            yield one
            wrapped = (one.__cause__, one.__context__, getattr(one, "reason", None), *one.args)
            left += [cause for cause in wrapped if isinstance(cause, BaseException)]
