"""Runs the act behind a button of the back office: calls one service, then shows a sentence on the next page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from orderapp.admin import who
from orderapp.admin.guard import Guarded, act_at
from orderapp.errors import Conflict, InvalidRequest
from orderapp.models import Role
from orderapp.services.db.audit import Actor

ID = "int(max=9223372036854775807)"  # what an id's column holds


def act(do: Callable[[], object], done: str, then: str) -> ResponseReturnValue:
    """Do an act and lead to the next page.

    Args:
        do: Calls one service.
        done: The sentence to show if it was done.
        then: The next page; it also shows why an act was refused.
    """
    try:
        do()
    except (Conflict, InvalidRequest) as error:
        flash(sentence_of(error), "error")
    else:
        flash(done, "success")
    return redirect(then, 303)


def row_act(
    url: str, role: Role, act_name: str, do: Callable[[int, Actor, str], object], done: str, *, proved: bool = False
) -> Callable[..., Any]:
    """Return the endpoint of a button in the rows of a list, with a reason; then the list is shown again.

    Args:
        url: Its address below the list's, with `<id>` for the row's id; it ends with the name of the endpoint.
        role: The least role that may do it.
        act_name: What the audit calls it.
        do: The service, with the row's id, who does it and why.
        done: The sentence to show if it was done; `{}` in it is the row's id.
        proved: Whether it asks for the password or a code, unless that was done a moment ago.
    """

    def endpoint(_view: Guarded, row_id: int) -> ResponseReturnValue:
        reason, actor = request.form.get("reason", ""), who.member().actor
        return act(lambda: do(row_id, actor, reason), done.format(row_id), url_for(".index_view"))

    # Flask-Admin looks the endpoint up by its function's name.
    endpoint.__name__ = url.rpartition("/")[2].replace("-", "_")
    return act_at(url.replace("<id>", f"<{ID}:row_id>"), role, act_name, proved=proved)(endpoint)


def sentence_of(error: Conflict | InvalidRequest) -> str:
    """Return what to tell staff about a refusal."""
    if isinstance(error, InvalidRequest):
        problems = " ".join(message for messages in error.errors.values() for message in messages)
        return f"Nothing was changed. {problems}"
    return str(error)
