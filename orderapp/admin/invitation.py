"""The page that the link of an invitation leads to: its owner chooses a password."""

from __future__ import annotations

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from orderapp.admin.acting import sentence_of
from orderapp.errors import InvalidRequest, NotFound
from orderapp.services.backoffice import invitations

invitation = Blueprint("invitation", __name__, url_prefix="/admin/invitation")


@invitation.get("/<token>")
def page(token: str) -> ResponseReturnValue:
    """Show the form, or that the link isn't valid any more."""
    return _page(token)


@invitation.post("/<token>")
def accept(token: str) -> ResponseReturnValue:
    """Set the password, and lead to the login."""
    password = request.form.get("password", "")
    try:
        if password != request.form.get("again", ""):
            raise InvalidRequest({"again": ["The two passwords differ."]})
        invitations.accept(token, password)
    except InvalidRequest as error:
        g.refusal = error.code
        return _page(token, sentence_of(error), 400)
    except NotFound:
        return _page(token)
    flash("Your password is set. Log in with it.", "success")
    return redirect(url_for("office.login"), 303)


def _page(token: str, problem: str = "", status: int = 200) -> ResponseReturnValue:
    try:
        email = invitations.invited(token)
    except NotFound as error:
        g.refusal = error.code
        return render_template("office/invitation.html", token=token, email="", problem=""), 404
    return render_template("office/invitation.html", token=token, email=email, problem=problem), status
