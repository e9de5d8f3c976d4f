"""`/callbacks/<system>`: where partners call back. Their signature is checked by the system's own file."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from orderapp.api.problems import answer_http_error, answer_refusal
from orderapp.config import current_settings
from orderapp.errors import OrderappError
from orderapp.services.engine import callbacks
from orderapp.services.engine.relay_wakeup import wake_relay
from orderapp.systems.callbacks import Callback

PREFIX = "/callbacks"

heard = Blueprint("callbacks", __name__, url_prefix=PREFIX)
heard.register_error_handler(OrderappError, answer_refusal)
heard.register_error_handler(HTTPException, answer_http_error)


def _address() -> str:
    """Return the address that was called as the partner wrote it: of PUBLIC_URL, with the query as it came."""
    query = request.query_string.decode("latin-1")
    root = current_settings().public_url or request.root_url.rstrip("/")
    return f"{root}{request.path}{f'?{query}' if query else ''}"


@heard.post("/<system>")
def hear(system: str) -> tuple[Response, int]:
    """Record a callback, and have the system asked; the answer is the same however often it comes."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    callback = Callback(_address(), headers, request.get_data(cache=False))
    if callbacks.hear(system, callback, current_settings().systems).made_due:
        wake_relay()
    return jsonify({}), 202
