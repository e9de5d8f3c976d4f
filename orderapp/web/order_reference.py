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
    """Return the idempotency key of whatever takes the place of the given placement once it has failed.

    The same for every tab, reload and double press, and the same whether the order is tried again or ordered anew
    without a code: of all of them the database takes one. Not guessable, so nobody else can use it up.
    """
    return retry_keys(order_number, placement_number)[0]


def retry_keys(order_number: str, placement_number: int) -> list[str]:
    """Return that key, then those of the replaced secrets."""
    subject = f"{order_number}:{placement_number}"
    return [f"{_RETRY}{placement_number}-{token(secret, 'retry', subject)}" for secret in _secrets()]


def retry_key_of(key: str, order_number: str, placements: int) -> str | None:
    """Return the key under which to do what a page asks for with this one; None for a key that no page has given out.

    A key of an earlier placement stays what it is: its answer is known. One that an old secret has made is the present
    placement's all the same, and two keys for one placement would be two orders.
    """
    if key in retry_keys(order_number, placements):
        return retry_key(order_number, placements)
    earlier = (one for number in range(1, placements) for one in retry_keys(order_number, number))
    return key if key in earlier else None


def names_retry(key: str) -> bool:
    """Return whether a key is that of some order's retry, or looks like it: forms have others."""
    return key.startswith(_RETRY)


def _secrets() -> tuple[str, ...]:
    """Return the key that signs, then those it has replaced."""
    settings = current_settings()
    return (settings.secret_key, *settings.old_secret_keys)
