"""The unguessable names of orders' pages, which prove that a visitor was shown the page."""

from __future__ import annotations

import base64
import hmac

# 144 bits: more than the 128 that make guessing hopeless, and a multiple of 6, so Base64 needs no padding.
TOKEN_BYTES = 18
CODE_DIGITS = 8


def page_reference(secret: str, order_number: str) -> str:
    """Return the name of the order's page in the shop: its number, a dot, and a token that only we can make.

    Args:
        secret: The setting `SECRET_KEY`.
        order_number: The order's number.
    """
    return f"{order_number}.{token(secret, 'page', order_number)}"


def code_for(secret: str, purpose: str, subject: str) -> str:
    """Return a code of eight digits for a subject that people can type; only we can make it."""
    message = f"orderapp code {purpose}:{subject}".encode()
    return f"{int.from_bytes(hmac.digest(secret.encode(), message, 'sha256')) % 10**CODE_DIGITS:0{CODE_DIGITS}}"


def token(secret: str, purpose: str, subject: str) -> str:
    """Return the token for a subject; a token for one purpose isn't valid for another."""
    # Undecodable bytes of a path become surrogates.
    message = f"orderapp {purpose}:{subject}".encode(errors="surrogatepass")
    return base64.urlsafe_b64encode(hmac.digest(secret.encode(), message, "sha256")[:TOKEN_BYTES]).decode()
