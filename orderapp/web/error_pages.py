"""Errors as pages for people: what happened, what was and wasn't done, what to do; no traces, no codes."""

from __future__ import annotations

from flask import Flask, Response, g, make_response, render_template
from werkzeug.exceptions import HTTPException

from orderapp.errors import (
    Conflict,
    DatabaseUnavailable,
    InvalidRequest,
    NotFound,
    OrderappError,
    OrderArchived,
    Overloaded,
    TooManyAttempts,
)
from orderapp.web.language import lazy_gettext as _

WORDS = {
    400: (_("We couldn't make sense of that"), _("Nothing was changed. Go back, reload the page and try once more.")),
    401: (_("Please log in"), _("This page is for staff who have logged in. Nothing was changed.")),
    403: (_("This isn't open to you"), _("You lack the permission for this. Nothing was changed.")),
    404: (_("There is no such page"), _("The address may be mistyped or cut short. Orders are not affected.")),
    405: (_("That can't be done here"), _("Nothing was changed. Go back and use the buttons on the page.")),
    409: (_("That can't be done at this moment"), _("Nothing was changed. Reload the page to see where things stand.")),
    410: (
        _("This order is archived"),
        _("It was placed long ago, and can't be shown or changed here any more. Nothing was done."),
    ),
    413: (_("That was too much at once"), _("Nothing was changed. Send less in one go.")),
    429: (_("That was tried too often"), _("Nothing was changed. Wait a little and try again.")),
    500: (
        _("Something went wrong on our side"),
        _(
            "We don't know whether your last step was done. Reload the page to see; the same form sent again is done "
            "once."
        ),
    ),
    503: (
        _("We can't be reached properly at this moment"),
        _(
            "We don't know whether your last step was done. Try again in a minute; the same form sent again is done "
            "once."
        ),
    ),
}
STATUS = {
    InvalidRequest: 400,
    NotFound: 404,
    OrderArchived: 410,
    Conflict: 409,
    TooManyAttempts: 429,
    DatabaseUnavailable: 503,
    Overloaded: 503,
}
RETRY_SECONDS = 30  # a database that restarts is back within half a minute; Retry-After for 503


def register(app: Flask) -> None:
    """Answer with a page every error that no blueprint handles itself."""
    app.register_error_handler(HTTPException, error_page)
    app.register_error_handler(OrderappError, error_page)


def error_page(error: HTTPException | OrderappError) -> Response:
    """Return the page for an error, with the request's id to quote."""
    status = _status(error)
    title, text = WORDS.get(status) or WORDS[500 if status >= 500 else 400]
    page = render_template("error.html", title=title, text=text, request_id=g.get("request_id"))
    response = make_response(page, status)
    response.headers.extend(_further_headers(error))
    response.headers["Cache-Control"] = "no-store"
    return response


def _status(error: HTTPException | OrderappError) -> int:
    if isinstance(error, HTTPException):
        return error.code or 500
    return next((status for kind, status in STATUS.items() if isinstance(error, kind)), 500)


def _further_headers(error: HTTPException | OrderappError) -> list[tuple[str, str]]:
    if isinstance(error, HTTPException):
        return [(name, value) for name, value in error.get_headers() if name.lower() != "content-type"]
    if isinstance(error, TooManyAttempts | Overloaded):
        return [("Retry-After", str(error.retry_after_seconds))]
    return [("Retry-After", str(RETRY_SECONDS))] if isinstance(error, DatabaseUnavailable) else []
