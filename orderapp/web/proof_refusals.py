"""Why a mail that proves an address wasn't sent, or its proof not taken, as a page tells it."""

from __future__ import annotations

from orderapp.errors import InvalidRequest, MailUnavailable, TooManyAttempts
from orderapp.web.formats import duration
from orderapp.web.language import gettext
from orderapp.web.mistakes import as_read


def refusal_of(
    error: InvalidRequest | TooManyAttempts | MailUnavailable,
) -> tuple[int, dict[str, str], dict[str, str]]:
    """Return the status, the messages by field (empty for the form as a whole), and further headers."""
    if isinstance(error, InvalidRequest):
        return 400, {field: as_read(messages[0]) for field, messages in error.errors.items()}, {}
    if isinstance(error, MailUnavailable):
        text = gettext("We can't send mails at the moment. Nothing was changed; try again in a few minutes.")
        return 503, {"": text}, {}
    text = gettext(
        "That was tried too often. Nothing was changed; it is possible again in %(wait)s.",
        wait=duration(error.retry_after_seconds),
    )
    return 429, {"": text}, {"Retry-After": str(error.retry_after_seconds)}
