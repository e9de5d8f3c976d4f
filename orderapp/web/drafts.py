"""The keys of the order forms that a visitor was given, in the session, so that an order with a lost answer is found.

A key is *open* from the moment its form is shown until the visitor is led to its order; then it is *answered*.
If an open key has an order, the answer was lost on its way. With each key is
kept which basket its form showed. The session is signed, so no foreign key gets into it.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

from flask import Flask, Request, request, session
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin
from flask.wrappers import Response

from orderapp.services.engine.recovery import BASKETS_KEPT_SECONDS
from orderapp.services.orders.shop_views import Submitted, submitted_under
from orderapp.web import basket

KEPT = 8  # of each kind: more forms than a visitor has open; the cookie takes a kilobyte
_OPEN, _ANSWERED, _BASKETS = "open", "answered", "baskets"
TOLD_APART = 8  # characters of a basket's name: enough for the few that a visitor ever has
# As long as what was chosen is kept: whoever comes back tomorrow still has it, and the way to an order that arrived.
KEPT_SECONDS = BASKETS_KEPT_SECONDS
API_PATHS = ("/api/", "/callbacks/")


class Sessions(SecureCookieSessionInterface):
    """Sessions in a signed cookie; the API has none."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Return the visitor's session; None for a request to the API."""
        return None if request.path.startswith(API_PATHS) else super().open_session(app, request)

    def get_expiration_time(self, app: Flask, session: SessionMixin) -> datetime:
        """Return until when the browser keeps the cookie. It is sent only when something in it changes."""
        return datetime.now(UTC) + timedelta(seconds=KEPT_SECONDS)

    def save_session(self, app, session: SessionMixin, response: Response) -> None:  # type: ignore[no-untyped-def]
        """Send the cookie, and let Back show a private page as it was.

        Only this browser keeps such a page. With `Vary: Cookie`, the cookie that comes with the form of a first visit
        would make Back fetch another form with another key and fill in the typed values.
        """
        super().save_session(app, session, response)
        if response.cache_control.private:
            response.vary.discard("cookie")  # in small letters: werkzeug compares with these


def give_out(key: str, *, again: bool) -> None:
    """Remember that a form with this key was shown, with what is in the basket or, `again`, with an earlier order."""
    if key not in _keys(_OPEN) and key not in _keys(_ANSWERED):
        session[_OPEN] = [*_keys(_OPEN), key][-KEPT:]
    if key in _keys(_OPEN):
        shown = {one: of for one, of in session.get(_BASKETS, {}).items() if one in _keys(_OPEN)}
        session[_BASKETS] = shown | {key: "" if again else basket.name()[:TOLD_APART]}


def answer(key: str) -> None:
    """Remember that the visitor is led to this key's order."""
    session[_OPEN] = [one for one in _keys(_OPEN) if one != key]
    session[_ANSWERED] = [*(one for one in _keys(_ANSWERED) if one != key), key][-KEPT:]


def answer_order(order_id: uuid.UUID) -> None:
    """Remember that the visitor has seen this order's page."""
    for key, found in submitted_under(_keys(_OPEN)).items():
        if found.order_id == order_id:
            _see(key, order_id)


def key_at_hand() -> str | None:
    """Return the key for the form of the present basket; None if it needs a new one.

    The latest with an order that the visitor was never led to; or else the one that this basket's form had before, so
    that it is one order however often the form is opened, in however many tabs.
    """
    found = submitted_under(_keys(_OPEN))
    lost = next((key for key in reversed(_keys(_OPEN)) if key in found), None)
    shown, present = session.get(_BASKETS, {}), basket.name()[:TOLD_APART]
    return lost or next((key for key in reversed(_keys(_OPEN)) if present and shown.get(key) == present), None)


def is_open(key: str) -> bool:
    """Return whether a form with this key was shown before, and the visitor wasn't led to an order of it."""
    return key in _keys(_OPEN)


def lost_answer() -> str | None:
    """Return the latest key with an order that the visitor was never led to; None if there is none."""
    found = submitted_under(_keys(_OPEN))
    return next((key for key in reversed(_keys(_OPEN)) if key in found), None)


def close_lost() -> None:
    """Mark lost answers as answered: the visitor has seen the notice and starts again."""
    for key, found in submitted_under(_keys(_OPEN)).items():
        _see(key, found.order_id)


def order_of(key: str) -> Submitted | None:
    """Return the order that a form's key led to."""
    return submitted_under([key]).get(key)


def is_ours(order_id: uuid.UUID) -> bool:
    """Return whether this visitor placed the order, with one of the forms in the session."""
    found = submitted_under([*_keys(_OPEN), *_keys(_ANSWERED)])
    return any(one.order_id == order_id for one in found.values())


def came_without_session() -> bool:
    """Return whether the browser sent no session: it keeps no cookies, or has lost them."""
    return not session and not request.cookies


def _see(key: str, order_id: uuid.UUID) -> None:
    of = session.get(_BASKETS, {}).get(key)
    if of and of == basket.name()[:TOLD_APART]:
        basket.ordered(order_id)
    answer(key)


def _keys(kind: str) -> list[str]:
    keys: list[str] = session.get(kind, [])
    return keys
