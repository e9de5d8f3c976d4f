"""Headers that may come once only: what came twice could be read in two ways, so it is refused, not chosen from.

A WSGI server hands over repeated headers joined with commas, and of some the last one alone. So gunicorn's hook
`pre_request` (gunicorn.conf.py) notes what came twice while it can still be seen; elsewhere the comma tells.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from flask import Flask, request

from orderapp.errors import InvalidRequest

# None of them has a comma in any value that is used here.
SINGLE = ("Idempotency-Key", "Authorization", "Content-Type", "Content-Length", "Host")
NOTE = "ORDERAPP-CAME-TWICE"
CAME_TWICE = "This header came twice, or with a comma in it; send it once, without a comma."


def init_app(app: Flask) -> None:
    """Answer a request with 400 where a header that has to be single isn't."""

    @app.before_request
    def refuse_repeated() -> None:
        noted = request.headers.get(NOTE, "").split(",")
        twice = [name for name in SINGLE if name.upper() in noted or "," in request.headers.get(name, "")]
        if twice:
            raise InvalidRequest({name: [CAME_TWICE] for name in twice})


def note_repeated(gunicorn_request: Any) -> None:
    """Note in a request what came twice; a note that the client has sent itself is dropped."""
    headers = [(name.upper(), value) for name, value in gunicorn_request.headers]
    count = Counter(name for name, _value in headers)
    twice = [name.upper() for name in SINGLE if count[name.upper()] > 1]
    kept = [header for header in headers if header[0].replace("_", "-") != NOTE]
    gunicorn_request.headers = [*kept, (NOTE, ",".join(twice))] if twice else kept
