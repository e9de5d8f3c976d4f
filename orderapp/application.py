"""Flask's application, with its own handling of static files, unforeseen errors and the codes of refusals."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import structlog
from flask import Flask, Response, g, request
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from orderapp import static_files
from orderapp.errors import OrderappError
from orderapp.fast_json import FastJson
from orderapp.services.access.refused_requests import CSRF

log = structlog.get_logger()


class Application(Flask):
    """An application whose log names a page by its endpoint, not by its path."""

    json_provider_class = FastJson

    def inject_url_defaults(self, endpoint: str, values: dict[str, Any]) -> None:
        """Give static files addresses with the hash of their content."""
        super().inject_url_defaults(endpoint, values)
        if endpoint == "static":
            static_files.add_hash(self.static_folder, values)

    def send_static_file(self, filename: str) -> Response:
        """Answer with a static file, by its name with or without a hash."""
        return static_files.answer(self.static_folder, filename) or super().send_static_file(filename)

    def handle_user_exception(self, e: Exception) -> HTTPException | ResponseReturnValue:
        """Answer an error; a refusal is logged and counted under its own code (see `orderapp.refusals`)."""
        if isinstance(e, OrderappError):
            g.refusal = e.code
        elif isinstance(e, CSRFError):
            g.refusal = CSRF
        return super().handle_user_exception(e)

    def log_exception(self, exc_info: tuple[type, BaseException, TracebackType] | tuple[None, None, None]) -> None:
        """Log an unforeseen error without the path: anybody who knows an order's path can open its page."""
        log.error("request.failed", method=request.method, endpoint=request.endpoint, exc_info=exc_info)
