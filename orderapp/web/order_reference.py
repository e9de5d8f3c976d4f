"""The unguessable name of an order's page, and the key of its next retry."""

from __future__ import annotations

import hmac

from flask import current_app

from orderapp.domain.references import page_reference, token


def reference_of(order_number: str) -> str:
    """Return the order's page name: its number, a dot, and a token that only we can make."""
    return page_reference(_secret(), order_number)


def number_in(reference: str) -> str | None:
    """Return the order number that a page name stands for, or None where the token is wrong.

    Decided before any look at the database, so a guess costs and shows the same whether or not there is such an order.
    """
    number, _, _ = reference.rpartition(".")
    right = page_reference(_secret(), number).encode(errors="surrogatepass")
    return number if hmac.compare_digest(reference.encode(errors="surrogatepass"), right) else None


def retry_key(order_number: str, placement_number: int) -> str:
    """Return the idempotency key of the retry that would follow the given placement.

    The same for every tab, reload and double press, so they all mean one retry; not guessable, so nobody else can use
    it up.
    """
    return f"retry-{placement_number}-{token(_secret(), 'retry', f'{order_number}:{placement_number}')}"


def _secret() -> str:
    secret: str = current_app.config["SECRET_KEY"]
    return secret
