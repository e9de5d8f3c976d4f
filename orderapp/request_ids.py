"""An id for every request: in each log line about it, in the audit, in the answer, and on error pages to quote."""

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
    """Give every request its id, before anything else is done about it.

    Args:
        app: The application.
        believe_proxy: Take the id that came with it: only where a proxy of ours sets one itself, whatever the caller
            sent. Otherwise callers could choose theirs, as most proxies pass on what they don't know.

    """

    @app.before_request
    def begin() -> None:
        sent = request.headers.get(HEADER, "")
        g.request_id = sent if believe_proxy and _WELL_FORMED.fullmatch(sent) else secrets.token_hex(ID_BYTES)
        # Threads are reused: what the request before has bound must not stick to this one.
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=g.request_id, network=region_of(request.remote_addr))

    @app.after_request
    def tell(response: Response) -> Response:
        if "request_id" in g:
            response.headers[HEADER] = g.request_id
        return response
