"""The customer who has signed in: the cookie and its session."""

from __future__ import annotations

from flask import request
from werkzeug import Response

from orderapp.config import current_settings
from orderapp.domain.typed_text import hidden_in
from orderapp.services.access import customer_sessions
from orderapp.services.access.customer_sessions import SESSION_SECONDS
from orderapp.services.orders.own_orders import owns

COOKIE = "orderapp-customer"


def address() -> str | None:
    """Return the address of the customer who has signed in, in small letters; None if nobody has."""
    token = token_sent()
    return customer_sessions.find(token) if token else None


def has_ordered(number: str) -> bool:
    """Return whether a text is the number of an order of the customer who has signed in."""
    # The key in an order page's name comes after a dot; whoever has it needs no other proof.
    email = None if "." in number or hidden_in(number) else address()
    return email is not None and owns(email, number)


def token_sent() -> str:
    """Return the session's token that came with this request; empty where none did."""
    return request.cookies.get(_cookie_name(), "")


def give_cookie(response: Response, token: str) -> None:
    """Let the browser keep a session's token as long as the session lasts."""
    secure = current_settings().secure_cookies
    response.set_cookie(_cookie_name(), token, SESSION_SECONDS, path="/", secure=secure, httponly=True, samesite="Lax")


def take_cookie(response: Response) -> None:
    """Let the browser forget the token."""
    secure = current_settings().secure_cookies
    response.delete_cookie(_cookie_name(), path="/", secure=secure, httponly=True, samesite="Lax")


def _cookie_name() -> str:
    # The prefix makes browsers refuse the cookie from anybody but this host over HTTPS.
    return f"__Host-{COOKIE}" if current_settings().secure_cookies else COOKIE
