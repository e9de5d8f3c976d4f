"""The unguessable name of an order's page, and the key of its next retry."""

from __future__ import annotations

import base64
import hmac

from flask import current_app

# 144 bits: more than the 128 that make guessing hopeless, and a multiple of 6, so Base64 needs no padding.
TOKEN_BYTES = 18


def reference_of(order_number: str) -> str:
    """Return the order's page name: its number, a dot, and a token that only we can make."""
    return f"{order_number}.{_token('page', order_number)}"


def number_in(reference: str) -> str | None:
    """Return the order number that a page name stands for, or None where the token is wrong.

    Decided before any look at the database, so a guess costs and shows the same whether or not there is such an order.
    """
    number, _, token = reference.rpartition(".")
    return (
        number if hmac.compare_digest(token.encode(errors="surrogatepass"), _token("page", number).encode()) else None
    )


def retry_key(order_number: str, placement_number: int) -> str:
    """Return the idempotency key of the retry that would follow the given placement.

    The same for every tab, reload and double press, so they all mean one retry; not guessable, so nobody else can use
    it up.
    """
    return f"retry-{placement_number}-{_token('retry', f'{order_number}:{placement_number}')}"


def _token(purpose: str, subject: str) -> str:
    secret: str = current_app.config["SECRET_KEY"]
    # The purpose keeps a token of one kind from passing as another; surrogates can come out of a path's bytes.
    message = f"orderapp {purpose}:{subject}".encode(errors="surrogatepass")
    return base64.urlsafe_b64encode(hmac.digest(secret.encode(), message, "sha256")[:TOKEN_BYTES]).decode()
