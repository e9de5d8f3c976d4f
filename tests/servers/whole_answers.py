"""Answers that are made whole before they are sent.

Werkzeug's server leaves an answer open when the browser has hung up, such as a file's; the file is then closed by the
garbage collector, during some later test.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def answering_whole(app: WSGIApplication) -> WSGIApplication:
    """Return the application with its answers made whole."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        parts = app(environ, start_response)
        try:
            return [b"".join(parts)]
        finally:
            if hasattr(parts, "close"):
                parts.close()

    return answer
