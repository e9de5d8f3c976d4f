"""An id for every request: in its log lines, in the audit, in the answer, and on error pages for people to quote."""

from __future__ import annotations

import re
import secrets

import structlog
from flask import Flask, Response, g, request

from orderapp.domain.networks import region_of

HEADER = "X-Request-Id"
ID_BYTES = 12  # 96 random bits: no two requests in all the logs share one
_WELL_FORMED = re.compile(r"[A-Za-z0-9._-]{1,64}")


def init_app(app: Flask, *, believe_proxy: bool) -> None:
    """Give every request its id before anything else happens.

    Args:
        app: The application.
        believe_proxy: Take the id from the request's header. Use it only if our proxy always sets the header itself:
            most proxies pass an unknown header on, so callers could choose their id.
    """

    @app.before_request
    def begin() -> None:
        sent = request.headers.get(HEADER, "")
        g.request_id = sent if believe_proxy and _WELL_FORMED.fullmatch(sent) else secrets.token_hex(ID_BYTES)
        # Threads are reused: values bound by the previous request must not appear in this one's log lines.
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=g.request_id, network=region_of(request.remote_addr))

    @app.after_request
    def tell(response: Response) -> Response:
        if "request_id" in g:
            response.headers[HEADER] = g.request_id
        return response
