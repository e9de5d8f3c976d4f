"""The environment variables that point an order service at a sandbox."""

from __future__ import annotations

from collections.abc import Sequence

from orderapp.sandbox import stood_in_for
from orderapp.systems.base import System

# Well-formed, but valid nowhere else.
ACCOUNT_SID, AUTH_TOKEN = "AC00000000000000000000000000000000", "sandbox-auth-token"


def environment(base_url: str, smtp_url: str, kinds: Sequence[type[System]]) -> dict[str, str]:
    """Return the variables for every system that the sandbox stands in for; one without a stand-in stays off.

    Args:
        base_url: Where the sandbox answers, without a trailing slash.
        smtp_url: Where its mail server is.
        kinds: The order service's systems.
    """
    prefixes = {kind.name: kind.setting or kind.name.upper() for kind in kinds}
    return {
        **{f"{prefixes.get(name, name.upper())}_URL": f"{base_url}/{name}" for name in sorted(stood_in_for(kinds))},
        "SMS_ACCOUNT_SID": ACCOUNT_SID,
        "SMS_AUTH_TOKEN": AUTH_TOKEN,
        "SMS_FROM": "+15005550006",
        "SMTP_URL": smtp_url,
        "MAIL_FROM": "shop@example.com",
    }
