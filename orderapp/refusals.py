"""Logs and counts every refused or throttled request, whichever part of the product refused it."""

from __future__ import annotations

import structlog
from flask import Flask, Response, g, request

from orderapp.errors import DatabaseUnavailable
from orderapp.services.access import refused_requests

log = structlog.get_logger()

# The code of a status, if the refusal has none of its own.
CODES = {401: "not_authenticated", 403: "forbidden", 429: "too_many_attempts"}
# The part of the product that a blueprint belongs to; every other blueprint is a view of the back office.
AREAS = {"api": "api", "callbacks": "api", "operations": "operations", "shop": "shop", None: "shop"}


def init_app(app: Flask) -> None:
    """Log and count each refusal after its answer is made."""

    @app.after_request
    def trace(response: Response) -> Response:
        code = g.pop("refusal", None)
        if response.status_code in CODES:
            _trace(response.status_code, code or CODES[response.status_code])
        elif code == refused_requests.CSRF:
            _trace(response.status_code, code)
        return response


def _trace(status: int, code: str) -> None:
    area = AREAS.get(request.blueprint, "office")
    log.warning(
        "request.refused", status=status, code=code, area=area, method=request.method, endpoint=request.endpoint
    )
    try:
        refused_requests.count(area, status, code)
    except DatabaseUnavailable:
        log.warning("request.refusal_not_counted", area=area, code=code)  # the answer is sent nevertheless
