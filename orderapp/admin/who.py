"""Identifies the member of staff: the cookie, its session, and Flask-Login's `current_user`."""

from __future__ import annotations

from flask import Flask, Request, request
from flask_login import LoginManager, UserMixin, current_user
from werkzeug import Response

from orderapp.config import current_settings
from orderapp.services.access import sessions
from orderapp.services.access.sessions import Member

COOKIE = "orderapp-staff"
REFRESH = "Live-Refresh"  # the header of a page that refreshes itself


class LoggedIn(UserMixin):  # type: ignore[misc]  # Flask-Login has no types
    """A member of staff as Flask-Login wants to see one."""

    def __init__(self, member: Member) -> None:
        self.member = member

    def get_id(self) -> str:
        """Return the account's id as text."""
        return str(self.member.id)


def init_app(app: Flask) -> None:
    """Let Flask-Login find the user in our own sessions; it keeps none itself."""
    manager = LoginManager()
    manager.request_loader(_load)
    # Otherwise every page of the shop, and every error page, would query the database for the user.
    manager.init_app(app, add_context_processor=False)


def member_or_none() -> Member | None:
    """Return who has logged in, or None."""
    return current_user.member if current_user.is_authenticated else None


def member() -> Member:
    """Return who has logged in; for pages that need a login."""
    found = member_or_none()
    if found is None:
        raise RuntimeError("a page for staff was reached without a login")
    return found


def token_sent() -> str:
    """Return the session token that came with this request; empty where none did."""
    return request.cookies.get(_cookie_name(), "")


def give_cookie(response: Response, token: str) -> None:
    """Let the browser keep a session's token until it is closed."""
    secure = current_settings().secure_cookies
    response.set_cookie(_cookie_name(), token, path="/", secure=secure, httponly=True, samesite="Lax")


def take_cookie(response: Response) -> None:
    """Let the browser forget the token."""
    secure = current_settings().secure_cookies
    response.delete_cookie(_cookie_name(), path="/", secure=secure, httponly=True, samesite="Lax")


def _load(sent: Request) -> LoggedIn | None:
    token = token_sent()
    found = sessions.find(token, by_person=REFRESH not in sent.headers) if token else None
    return LoggedIn(found) if found else None


def _cookie_name() -> str:
    # The prefix makes browsers refuse the cookie from anybody but this host over HTTPS.
    return f"__Host-{COOKIE}" if current_settings().secure_cookies else COOKIE
