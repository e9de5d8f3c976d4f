"""The unguessable names of orders' pages: what proves that somebody was shown an order's page."""

from __future__ import annotations

import base64
import hmac

# 144 bits: more than the 128 that make guessing hopeless, and a multiple of 6, so Base64 needs no padding.
TOKEN_BYTES = 18


def page_reference(secret: str, order_number: str) -> str:
    """Return the order's page name: its number, a dot, and a token that only we can make."""
    return f"{order_number}.{token(secret, 'page', order_number)}"


def token(secret: str, purpose: str, subject: str) -> str:
    """Return the token for a subject; the purpose keeps one of one kind from passing as another."""
    # Surrogates can come out of a path's bytes.
    message = f"orderapp {purpose}:{subject}".encode(errors="surrogatepass")
    return base64.urlsafe_b64encode(hmac.digest(secret.encode(), message, "sha256")[:TOKEN_BYTES]).decode()
