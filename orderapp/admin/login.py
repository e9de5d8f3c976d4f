"""Logging in to the back office, and out of it."""

from __future__ import annotations

from flask import Blueprint, g, make_response, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from orderapp.admin import who
from orderapp.admin.addresses import local_page
from orderapp.errors import TooManyAttempts
from orderapp.services.access import logins, sessions

office = Blueprint("office", __name__, url_prefix="/admin")

WRONG = "This e-mail address and password don't belong together. Nothing was changed; check both and try again."
WRONG_CODE = "This code is wrong or was used already, or five minutes have passed. Try the next one, or log in again."
TOO_MANY = "Too many wrong passwords were tried. Wait {seconds} seconds, then try again."
TOO_MANY_CODES = "Too many codes were tried. Wait {minutes} minutes, then try again."


@office.get("/login")
def login() -> ResponseReturnValue:
    """Show the form."""
    return _form()


@office.post("/login")
def log_in() -> ResponseReturnValue:
    """Open a session if the password is right, and lead to `?next=` if that is a page of the back office."""
    email, password = request.form.get("email", ""), request.form.get("password", "")
    try:
        opened = logins.log_in(email, password, request.remote_addr)
    except TooManyAttempts as error:
        return _wait(error, _form(email, TOO_MANY.format(seconds=error.retry_after_seconds), 429))
    if opened is None:
        g.refusal = "wrong_password"
        return _form(email, WRONG, 401)
    _end_present_session()
    wanted = request.args.get("next")
    to = url_for("office.code", next=wanted) if opened.waits_for_code else local_page(wanted)
    response = redirect(to, 303)
    who.give_cookie(response, opened.token)
    return response


@office.get("/login/code")
def code() -> ResponseReturnValue:
    """Ask for the code of the second factor, after the password."""
    if not logins.waits_for_code(who.token_sent()):
        return redirect(url_for("office.login", next=request.args.get("next")))
    return _code_form()


@office.post("/login/code")
def log_in_with_code() -> ResponseReturnValue:
    """Open a session if the code is right too."""
    try:
        opened = logins.log_in_with_code(who.token_sent(), request.form.get("code", ""))
    except TooManyAttempts as error:
        return _wait(error, _code_form(TOO_MANY_CODES.format(minutes=-(-error.retry_after_seconds // 60)), 429))
    if opened is None:
        g.refusal = "wrong_code"
        return _code_form(WRONG_CODE, 401)
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


def _wait(error: TooManyAttempts, form: ResponseReturnValue) -> ResponseReturnValue:
    page = make_response(form)
    page.headers["Retry-After"] = str(error.retry_after_seconds)
    return page


def _code_form(problem: str | None = None, status: int = 200) -> ResponseReturnValue:
    return render_template("office/login_code.html", problem=problem, next=request.args.get("next")), status


def _form(email: str = "", problem: str | None = None, status: int = 200) -> ResponseReturnValue:
    return render_template("office/login.html", email=email, problem=problem, next=request.args.get("next")), status
