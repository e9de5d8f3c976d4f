"""Which order forms a visitor was given: their keys, in the session, so that an order whose answer was lost is found.

A key is *open* from the moment its form is shown until the visitor has been led to its order; then it is *answered*.
Where an open key has an order, the answer was lost on its way. The session is signed: nobody else's key gets into it.
"""

from __future__ import annotations

import uuid

from flask import request, session
from flask.sessions import SecureCookieSessionInterface, SessionMixin
from flask.wrappers import Response

from orderapp.services.orders.shop_views import Submitted, submitted_under

KEPT = 8  # of each kind: more forms than anybody has open, and together a cookie of half a kilobyte
_OPEN, _ANSWERED = "open", "answered"


class Sessions(SecureCookieSessionInterface):
    """Sessions in a signed cookie."""

    def save_session(self, app, session: SessionMixin, response: Response) -> None:  # type: ignore[no-untyped-def]
        """Send the cookie, and let Back show a private page as it was.

        Such a page is kept by this browser alone. With `Vary: Cookie`, the very cookie that comes with a first visit's
        form would make Back fetch another form, with another key, and fill in what was typed.
        """
        super().save_session(app, session, response)
        if response.cache_control.private:
            response.vary.discard("Cookie")


def give_out(key: str) -> None:
    """Remember that a form with this key was shown."""
    if key not in _keys(_OPEN) and key not in _keys(_ANSWERED):
        session[_OPEN] = [*_keys(_OPEN), key][-KEPT:]


def answer(key: str) -> None:
    """Remember that the visitor is led to this key's order."""
    session[_OPEN] = [one for one in _keys(_OPEN) if one != key]
    session[_ANSWERED] = [*(one for one in _keys(_ANSWERED) if one != key), key][-KEPT:]


def answer_order(order_id: uuid.UUID) -> None:
    """Remember that the visitor has seen this order's page."""
    for key, found in submitted_under(_keys(_OPEN)).items():
        if found.order_id == order_id:
            answer(key)


def lost_answer() -> str | None:
    """Return the latest key with an order to which the visitor was never led; None where there is none."""
    found = submitted_under(_keys(_OPEN))
    return next((key for key in reversed(_keys(_OPEN)) if key in found), None)


def close_lost() -> None:
    """Count what was lost as answered: the visitor was told, and begins anew."""
    for key in submitted_under(_keys(_OPEN)):
        answer(key)


def order_of(key: str) -> Submitted | None:
    """Return the order that a form's key led to."""
    return submitted_under([key]).get(key)


def is_ours(order_id: uuid.UUID) -> bool:
    """Whether this visitor has placed the order: with one of the forms that the session was given."""
    found = submitted_under([*_keys(_OPEN), *_keys(_ANSWERED)])
    return any(one.order_id == order_id for one in found.values())


def came_without_session() -> bool:
    """Whether the browser sent no session at all: it keeps no cookies, or has lost them."""
    return not session and not request.cookies


def _keys(kind: str) -> list[str]:
    keys: list[str] = session.get(kind, [])
    return keys
