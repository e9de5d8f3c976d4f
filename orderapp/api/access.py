"""Authenticates the API client by its bearer token. Tokens in addresses or cookies are ignored."""

from __future__ import annotations

from typing import cast

import structlog
from flask import Response, g, request

from orderapp.api.blueprint import api
from orderapp.api.problems import not_authenticated
from orderapp.services.access import api_tokens

log = structlog.get_logger()

OPEN_ENDPOINTS = frozenset({"api.description"})
REALM = 'Bearer realm="orderapp"'


@api.before_request
def require_token() -> Response | None:
    """Let a request through if it comes with a valid token."""
    if request.endpoint in OPEN_ENDPOINTS:
        return None
    sent = request.authorization
    token = sent.token if sent is not None and sent.type == "bearer" else None
    if not token:
        return not_authenticated(REALM)
    client = api_tokens.authenticate(token)
    if client is None:
        g.refusal = "invalid_token"
        return not_authenticated(f'{REALM}, error="invalid_token"')
    g.api_client_id = client
    structlog.contextvars.bind_contextvars(client=client)
    return None


def client_id() -> int:
    """Return the client whose request this is."""
    return cast(int, g.api_client_id)
