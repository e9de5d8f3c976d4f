"""An application served to a browser, with answers that are made whole before they are sent.

Werkzeug's server leaves an answer open when the browser has hung up, such as a file's; the file is then closed by the
garbage collector, during some later test.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from werkzeug.serving import make_server

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


@contextmanager
def served(app: WSGIApplication) -> Iterator[str]:
    """Serve the application with several requests at a time; give where, such as `http://127.0.0.1:40001`."""
    server = make_server("127.0.0.1", 0, answering_whole(app), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
