"""Flask's application, with its own handling of unforeseen errors and of the codes of refusals."""

from __future__ import annotations

from types import TracebackType

import structlog
from flask import Flask, g, request
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from orderapp.errors import OrderappError
from orderapp.fast_json import FastJson
from orderapp.services.access.refused_requests import CSRF

log = structlog.get_logger()


class Application(Flask):
    """An application whose log names a page by its endpoint, not by its path."""

    json_provider_class = FastJson

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
