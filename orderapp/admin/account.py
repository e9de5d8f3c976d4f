"""A member's own page: the password, and where they are logged in."""

from __future__ import annotations

from flask import abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from orderapp.admin import cells, who
from orderapp.admin.acting import act, sentence_of
from orderapp.admin.guard import Guarded, act_at, page_at
from orderapp.admin.login import TOO_MANY
from orderapp.errors import InvalidRequest, NotFound, TooManyAttempts
from orderapp.models import Role
from orderapp.services.access import own_account

ID = "int(max=9223372036854775807)"  # what an id's column holds


class AccountView(Guarded):
    """The account of whoever has logged in."""

    def is_visible(self) -> bool:
        """Return False: the member's name in the frame leads here."""
        return False

    @page_at("/")
    def index(self) -> str:
        """Show it."""
        if request.args:
            abort(400)
        sessions = own_account.sessions_of(who.member(), who.token_sent())
        page: str = self.render("office/account.html", sessions=sessions, time_of=cells.time_of)
        return page

    @act_at("/password", Role.VIEWER, "staff.password")
    def change_password(self) -> ResponseReturnValue:
        """Change one's own password; every other login ends."""
        present, wanted = request.form.get("present", ""), request.form.get("wanted", "")
        answer = redirect(url_for(".index"), 303)
        try:
            if wanted != request.form.get("again", ""):
                raise InvalidRequest({"again": ["The two new passwords differ."]})
            token = own_account.change_password(who.member(), present, wanted, request.remote_addr)
        except TooManyAttempts as error:
            flash(TOO_MANY.format(seconds=error.retry_after_seconds), "error")
        except InvalidRequest as error:
            flash(sentence_of(error), "error")
        else:
            flash("Your password is changed, and you are logged out everywhere else.", "success")
            who.give_cookie(answer, token)
        return answer

    @act_at(f"/sessions/<{ID}:session_id>/end", Role.VIEWER, "staff.sessions")
    def end_session(self, session_id: int) -> ResponseReturnValue:
        """End one of one's own logins."""
        try:
            own_account.end_session(who.member(), session_id)
        except NotFound:
            abort(404)
        flash("That login is over.", "success")
        return redirect(url_for(".index"), 303)

    @act_at("/sessions/end-others", Role.VIEWER, "staff.sessions")
    def end_others(self) -> ResponseReturnValue:
        """End all of one's own logins but this one."""
        return act(
            lambda: own_account.end_others(who.member(), who.token_sent()),
            "You are logged out everywhere else.",
            url_for(".index"),
        )
