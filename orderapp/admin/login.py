"""Logging in to the back office, and out of it."""

from __future__ import annotations

from flask import Blueprint, g, make_response, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from orderapp.admin import who
from orderapp.admin.addresses import local_page
from orderapp.errors import TooManyAttempts
from orderapp.services.access import accounts, sessions

office = Blueprint("office", __name__, url_prefix="/admin")

WRONG = "This e-mail address and password don't belong together. Nothing was changed; check both and try again."
TOO_MANY = "Too many wrong passwords were tried. Wait {seconds} seconds, then try again."


@office.get("/login")
def login() -> ResponseReturnValue:
    """Show the form."""
    return _form()


@office.post("/login")
def log_in() -> ResponseReturnValue:
    """Open a session if the password is right, and lead to `?next=` if that is a page of the back office."""
    email, password = request.form.get("email", ""), request.form.get("password", "")
    try:
        opened = accounts.log_in(email, password, request.remote_addr)
    except TooManyAttempts as error:
        page = make_response(_form(email, TOO_MANY.format(seconds=error.retry_after_seconds), 429))
        page.headers["Retry-After"] = str(error.retry_after_seconds)
        return page
    if opened is None:
        g.refusal = "wrong_password"
        return _form(email, WRONG, 401)
    _end_present_session()
    response = redirect(local_page(request.args.get("next")), 303)
    who.give_cookie(response, opened.token)
    return response


@office.post("/logout")
def log_out() -> ResponseReturnValue:
    """End the session for good, wherever its cookie has been copied to."""
    _end_present_session()
    response = redirect(url_for("office.login"), 303)
    who.take_cookie(response)
    return response


def _end_present_session() -> None:
    member = who.member_or_none()
    if member is not None:
        sessions.end(who.token_sent(), member.actor)
    # Forms shown before belong to the previous user.
    session.clear()


def _form(email: str = "", problem: str | None = None, status: int = 200) -> ResponseReturnValue:
    return render_template("office/login.html", email=email, problem=problem, next=request.args.get("next")), status
