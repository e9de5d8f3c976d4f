"""Runs the act behind a button of the back office: calls one service, then shows a sentence on the next page."""

from __future__ import annotations

from collections.abc import Callable

from flask import flash, redirect
from flask.typing import ResponseReturnValue

from orderapp.errors import Conflict, InvalidRequest


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


def sentence_of(error: Conflict | InvalidRequest) -> str:
    """Return what to tell staff about a refusal."""
    if isinstance(error, InvalidRequest):
        problems = " ".join(message for messages in error.errors.values() for message in messages)
        return f"Nothing was changed. {problems}"
    return str(error)
