"""Where a request comes from: the peer's address, or the one our proxies report; never one that a visitor claims."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from orderapp.domain.networks import address_in, forwarded_for

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

HEADER = "HTTP_X_FORWARDED_FOR"


class ClientAddresses:
    """Puts the client's address into `REMOTE_ADDR`: plain, without port, brackets and zone; empty if unknown.

    Werkzeug's ProxyFix copies the header's entry unchecked, and interprets quotes in it: a single quote sent by a
    visitor then hides what the proxy has added.

    Args:
        app: The application to call.
        proxies: How many of our proxies are in front of us. Their entries are trusted; if the entry is no address, the
            address is unknown. If they added none, the request is the nearest proxy's own.
    """

    def __init__(self, app: WSGIApplication, proxies: int) -> None:
        self._app = app
        self._proxies = proxies

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        header = environ.get(HEADER, "")
        told = self._proxies and header.count(",") + 1 >= self._proxies and header.strip()
        address = forwarded_for(header, self._proxies) if told else address_in(environ.get("REMOTE_ADDR"))
        environ["REMOTE_ADDR"] = "" if address is None else str(address)
        return self._app(environ, start_response)
