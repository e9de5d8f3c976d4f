"""The unguessable name of an order's page, and the key of its next retry."""

from __future__ import annotations

import hmac

from orderapp.config import current_settings
from orderapp.domain.references import page_reference, token

_RETRY = "retry-"


def reference_of(order_number: str) -> str:
    """Return the order's page name: its number, a dot, and a token that only we can make."""
    return page_reference(_secrets()[0], order_number)


def number_in(reference: str) -> str | None:
    """Return the order number that a page name stands for, or None where the token is wrong.

    Decided before any look at the database, so a guess costs and shows the same whether or not there is such an order.
    """
    number, _, _ = reference.rpartition(".")
    sent = reference.encode(errors="surrogatepass")
    rights = [page_reference(secret, number).encode(errors="surrogatepass") for secret in _secrets()]
    return number if any(hmac.compare_digest(sent, right) for right in rights) else None


def retry_key(order_number: str, placement_number: int) -> str:
    """Return the idempotency key of the retry that would follow the given placement.

    The same for every tab, reload and double press, so they all mean one retry; not guessable, so nobody else can use
    it up.
    """
    return _retry_key(_secrets()[0], order_number, placement_number)


def key_without(code_field: str, order_number: str, placement_number: int) -> str:
    """Return the key of the new order that leaves out a code which the given placement failed by; as `retry_key`."""
    said = token(_secrets()[0], "without", f"{order_number}:{placement_number}:{code_field}")
    return f"without-{placement_number}-{said}"


def is_retry_key(key: str, order_number: str, placements: int) -> bool:
    """Return whether a key is that of a retry after one of the order's placements so far."""
    numbers = range(1, placements + 1)
    return key in {_retry_key(secret, order_number, number) for secret in _secrets() for number in numbers}


def names_retry(key: str) -> bool:
    """Return whether a key is that of some order's retry, or looks like it: forms have others."""
    return key.startswith(_RETRY)


def _retry_key(secret: str, order_number: str, placement_number: int) -> str:
    return f"{_RETRY}{placement_number}-{token(secret, 'retry', f'{order_number}:{placement_number}')}"


def _secrets() -> tuple[str, ...]:
    """Return the key that signs, then those it has replaced."""
    settings = current_settings()
    return (settings.secret_key, *settings.old_secret_keys)
