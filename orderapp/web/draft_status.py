"""What became of a form's key: asked by the page's script, of nobody but who has the key, which can't be guessed."""

from __future__ import annotations

from flask import render_template, request, url_for
from flask.typing import ResponseReturnValue

from orderapp.config import current_settings
from orderapp.services.orders.shop_views import UnderWay, under_way
from orderapp.systems.base import Progress
from orderapp.web import drafts
from orderapp.web.blueprint import shop
from orderapp.web.formats import system_title
from orderapp.web.language import declared, gettext
from orderapp.web.order_reference import reference_of

MAX_KEY_CHARACTERS = 64
NOT_KEPT = {"Cache-Control": "no-store"}


@shop.get("/draft")
def draft() -> ResponseReturnValue:
    """Answer for the key in the header Draft-Key: the notice of its order, or nothing (204)."""
    found = drafts.order_of(_key())
    if found is None:
        return "", 204, NOT_KEPT
    return render_template("shop/_arrived.html", arrived=reference_of(found.number)), NOT_KEPT


@shop.get("/draft/steps")
def steps() -> ResponseReturnValue:
    """Answer for the key in the header Draft-Key: how far its order has come, or nothing (204).

    `order` is the address of its page, `placing` whether systems are still being called; then `steps` says of each
    where it stands, and `told` what is done now.
    """
    found = under_way(_key())
    if found is None:
        return "", 204, NOT_KEPT
    steps = [_step(name, position, found) for position, name in enumerate(found.systems, start=1)]
    content = {
        "order": url_for("shop.order", reference=reference_of(found.number)),
        "placing": found.is_placing,
        "told": _told(found),
        "steps": steps if found.is_placing else [],
    }
    return content, NOT_KEPT


def _step(name: str, position: int, found: UnderWay) -> dict[str, str]:
    title = system_title(name)
    if found.called is None or position > found.called:
        return {"state": "waiting", "title": title, "text": gettext("Next") if found.called else ""}
    if position < found.called:
        return {"state": "done", "title": title, "text": _progress(name).done or gettext("Arranged")}
    return {"state": "running", "title": title, "text": _progress(name).under_way or gettext("In progress")}


def _told(found: UnderWay) -> str:
    if not found.is_placing:
        return gettext("Your order arrived. Its page opens now.")
    if found.called is None or not 0 < found.called <= len(found.systems):
        parts = ", ".join(system_title(name) for name in found.systems)
        return gettext("Your order has arrived. Now we arrange: %(parts)s.", parts=parts)
    name = found.systems[found.called - 1]
    return f"{_progress(name).under_way or system_title(name)}…"


def _progress(name: str) -> Progress:
    """Return what a system says of its step, in the page's language; empty texts if it says nothing of its own."""
    system = current_settings().systems.get(name)
    own = system.progress if system else Progress()
    return Progress(*("" if text in Progress() else declared(text) for text in own))


def _key() -> str:
    return request.headers.get("Draft-Key", "")[:MAX_KEY_CHARACTERS]
