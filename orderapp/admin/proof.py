"""Asks a member of staff for the password or a code before an act on access, if the last time is too long ago."""

from __future__ import annotations

from collections.abc import Callable

from flask import g, request
from flask.typing import ResponseReturnValue

from orderapp.admin import who
from orderapp.errors import TooManyAttempts
from orderapp.services.access import logins
from orderapp.services.access.sessions import Member

FIELD = "proof"  # what the page adds to the form that it was shown for
# The token is another one on the page.
NOT_KEPT = (FIELD, "csrf_token")
WRONG = "The password or code is wrong, or the code was used already. Nothing was changed."
TOO_MANY = "Too many passwords or codes were tried. Nothing was changed; wait {minutes} minutes, then try again."


def ask_unless_fresh(
    render: Callable[..., str], member: Member, refuse: Callable[[str], None]
) -> ResponseReturnValue | None:
    """Return a page that asks, and then sends what was typed again; None if the act may go on.

    Args:
        render: Renders a page of the view.
        member: Who acts.
        refuse: Records the refused act, with why.
    """
    token, typed = who.token_sent(), request.form.get(FIELD, "")
    if logins.has_fresh_proof(token):
        return None
    if not typed:
        return _page(render, "proof_missing")
    try:
        if logins.prove(member, token, typed, request.remote_addr):
            return None
    except TooManyAttempts as error:
        refuse("too many passwords or codes were tried")
        return _page(render, error.code, TOO_MANY.format(minutes=-(-error.retry_after_seconds // 60)))
    refuse("the password or code was wrong")
    return _page(render, "wrong_proof", WRONG)


def _page(render: Callable[..., str], refusal: str, problem: str = "") -> ResponseReturnValue:
    g.refusal = refusal  # for the log and the count of refusals
    sent = [(name, value) for name, value in request.form.items(multi=True) if name not in NOT_KEPT]
    return render("office/proof.html", sent=sent, problem=problem), 403
