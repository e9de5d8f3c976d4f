"""The unguessable name of an order's page, the order that it means, and the key of its next retry."""

from __future__ import annotations

import hmac

from flask import abort

from orderapp.config import current_settings
from orderapp.domain.references import page_reference, token
from orderapp.errors import NotFound
from orderapp.services.orders.shop_views import find_shop_order
from orderapp.services.orders.views import OrderView

_RETRY = "retry-"


def reference_of(order_number: str) -> str:
    """Return the name of the order's page: its number, a dot, and a token that only we can make."""
    return page_reference(_secrets()[0], order_number)


def number_in(reference: str) -> str | None:
    """Return the order number of a page name, or None if the token is wrong.

    Doesn't read the database, so a guess gets the same answer whether or not the order exists.
    """
    number, _, _ = reference.rpartition(".")
    sent = reference.encode(errors="surrogatepass")
    rights = [page_reference(secret, number).encode(errors="surrogatepass") for secret in _secrets()]
    return number if any(hmac.compare_digest(sent, right) for right in rights) else None


def order_named(reference: str) -> OrderView:
    """Return the order that a page name means; ends the request with 404 if there is none."""
    number = number_in(reference)
    if number is None:
        abort(404)
    try:
        return find_shop_order(number)
    except NotFound:
        abort(404)


def retry_key(order_number: str, placement_number: int) -> str:
    """Return the idempotency key of what replaces the given placement after it failed.

    The key is the same for every tab, reload and double press, and for a retry as well as a new order without a code:
    the database accepts only one of them. Nobody can guess the key, so nobody else can use it up.
    """
    return retry_keys(order_number, placement_number)[0]


def retry_keys(order_number: str, placement_number: int) -> list[str]:
    """Return the retry key, then those made with the replaced secrets."""
    subject = f"{order_number}:{placement_number}"
    return [f"{_RETRY}{placement_number}-{token(secret, 'retry', subject)}" for secret in _secrets()]


def retry_key_of(key: str, order_number: str, placements: int) -> str | None:
    """Return the key to use for a page's request with this key; None for a key that no page has given out.

    A key of an earlier placement is returned unchanged: its answer is known. A key made with an old secret becomes the
    present placement's key, because two keys for one placement would be two orders.
    """
    if key in retry_keys(order_number, placements):
        return retry_key(order_number, placements)
    earlier = (one for number in range(1, placements) for one in retry_keys(order_number, number))
    return key if key in earlier else None


def names_retry(key: str) -> bool:
    """Return whether a key is, or looks like, a retry key; forms have other keys."""
    return key.startswith(_RETRY)


def _secrets() -> tuple[str, ...]:
    """Return the key that signs, then those it has replaced."""
    settings = current_settings()
    return (settings.secret_key, *settings.old_secret_keys)
