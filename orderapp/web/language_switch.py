"""The switch of the pages' language: the visitor's wish is kept in a cookie."""

from __future__ import annotations

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue

from orderapp import languages
from orderapp.config import current_settings
from orderapp.web.blueprint import shop
from orderapp.web.language import cookie_name

KEPT_SECONDS = 365 * 86_400  # the longest that all browsers keep a cookie


@shop.post("/language")
def switch() -> ResponseReturnValue:
    """Keep the wished language in a cookie, and lead back to the page."""
    wished, back = request.form.get("language", ""), request.form.get("back", "")
    home = f"{request.script_root}/"
    # Nothing but an address of ours; browsers take `//` and `/\\` for the start of another host.
    ours = back.startswith(home) and not back.startswith(("//", "/\\")) and back.isprintable()
    if "key" in request.form:
        response = redirect(url_for("shop.preview"), 307)  # an order form: the browser sends it on, as it was typed
    else:
        response = redirect(back if ours else home, 303)
    if wished in languages.codes():
        response.set_cookie(
            cookie_name(), wished, max_age=KEPT_SECONDS, secure=current_settings().secure_cookies, samesite="Lax"
        )
    return response
