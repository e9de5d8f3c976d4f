"""Error pages for staff, within the back office's own frame."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, g, make_response
from werkzeug.exceptions import BadRequest, Forbidden, HTTPException, MethodNotAllowed, Unauthorized
from werkzeug.exceptions import NotFound as NoSuchAddress

from orderapp.errors import Archived, NotFound

WORDS: dict[type[Exception], tuple[int, str, str]] = {
    BadRequest: (
        400,
        "That can't be understood",
        "Something in the address or the form isn't known here, or the form was shown to another login. "
        "Nothing was changed; go back, reload the page and try again.",
    ),
    Unauthorized: (401, "Please log in", "Your login is over. Nothing was changed; log in and do it again."),
    Forbidden: (403, "This isn't open to your role", "Nothing was changed. Ask an admin if you need it."),
    NoSuchAddress: (404, "There is no such thing", "The address may be mistyped. Nothing was changed."),
    Archived: (404, "This order is archived", "It can't be shown or changed here any more."),
    NotFound: (404, "There is no such thing", "The address may be mistyped. Nothing was changed."),
    MethodNotAllowed: (405, "That can't be done here", "Nothing was changed. Use the buttons on the page."),
}


def register(blueprint: Blueprint, render: Callable[..., str]) -> None:
    """Answer these errors of a view with its own pages; faults of ours get the application's page."""
    for kind, (status, title, text) in WORDS.items():
        blueprint.register_error_handler(kind, _page(render, status, title, text))


def _page(render: Callable[..., str], status: int, title: str, text: str) -> Callable[[Exception], Response]:
    def answer(error: Exception) -> Response:
        told = f"{error} {text}" if isinstance(error, Archived) else text
        page = render("office/error.html", title=title, text=told, request_id=g.get("request_id"))
        response = make_response(page, status)
        if isinstance(error, HTTPException):
            further = [(name, value) for name, value in error.get_headers() if name.lower() != "content-type"]
            response.headers.extend(further)
        return response

    return answer
