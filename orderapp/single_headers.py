"""Headers that may come only once: a repeated one could be read in two ways, so the request is refused.

A WSGI server joins repeated headers with commas, and of some it keeps only the last. So gunicorn's hook `pre_request`
(gunicorn.conf.py) notes repeated headers while they can still be seen; other servers show them by the comma.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from flask import Flask, request

from orderapp.errors import InvalidRequest

# No valid value of these has a comma here.
SINGLE = ("Idempotency-Key", "Authorization", "Content-Type", "Content-Length", "Host")
NOTE = "ORDERAPP-CAME-TWICE"
CAME_TWICE = "This header came twice, or with a comma in it; send it once, without a comma."


def init_app(app: Flask) -> None:
    """Answer 400 if one of these headers came more than once."""

    @app.before_request
    def refuse_repeated() -> None:
        noted = request.headers.get(NOTE, "").split(",")
        twice = [name for name in SINGLE if name.upper() in noted or "," in request.headers.get(name, "")]
        if twice:
            raise InvalidRequest({name: [CAME_TWICE] for name in twice})


def note_repeated(gunicorn_request: Any) -> None:
    """Note in a request which headers came twice; drop a note that the client has sent itself."""
    headers = [(name.upper(), value) for name, value in gunicorn_request.headers]
    count = Counter(name for name, _value in headers)
    twice = [name.upper() for name in SINGLE if count[name.upper()] > 1]
    kept = [header for header in headers if header[0].replace("_", "-") != NOTE]
    gunicorn_request.headers = [*kept, (NOTE, ",".join(twice))] if twice else kept
