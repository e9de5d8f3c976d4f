"""How the back office looks to whoever reads: light, dark, or as the device has it. A cookie keeps the choice."""

from __future__ import annotations

from enum import StrEnum

from flask import Blueprint, abort, redirect, request
from flask.typing import ResponseReturnValue

from orderapp.admin.addresses import local_page
from orderapp.config import current_settings

looks = Blueprint("looks", __name__, url_prefix="/admin")
COOKIE = "orderapp-theme"
KEPT_SECONDS = 365 * 86_400  # as long as browsers keep a cookie


class Theme(StrEnum):
    """A choice of colours."""

    SYSTEM = "system"
    LIGHT = "light"
    DARK = "dark"


def theme() -> Theme:
    """Return the reader's choice."""
    try:
        return Theme(request.cookies.get(COOKIE, ""))
    except ValueError:
        return Theme.SYSTEM


@looks.post("/theme")
def choose() -> ResponseReturnValue:
    """Keep a choice, and show the same page again."""
    try:
        wanted = Theme(request.form.get("theme", ""))
    except ValueError:
        abort(400)
    answer = redirect(local_page(request.form.get("back")), 303)
    secure = current_settings().secure_cookies
    answer.set_cookie(COOKIE, wanted, KEPT_SECONDS, path="/", secure=secure, httponly=True, samesite="Lax")
    return answer
