"""Flask's application, with one thing told differently: what the log says of an error that nobody foresaw."""

from __future__ import annotations

from types import TracebackType

import structlog
from flask import Flask, request

from orderapp.fast_json import FastJson

log = structlog.get_logger()


class Application(Flask):
    """An application whose log names pages by what they are, not by where they are."""

    json_provider_class = FastJson

    def log_exception(self, exc_info: tuple[type, BaseException, TracebackType] | tuple[None, None, None]) -> None:
        """Log an unforeseen error. Flask would log the path, and an order's path is the key to its page."""
        log.error("request.failed", method=request.method, endpoint=request.endpoint, exc_info=exc_info)
