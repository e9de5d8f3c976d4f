"""Where a request comes from: the peer's address, or what our proxies say of it; never what a visitor says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from orderapp.domain.networks import address_in, forwarded_for

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

HEADER = "HTTP_X_FORWARDED_FOR"


class ClientAddresses:
    """Puts the address of whoever asks into `REMOTE_ADDR`: plain, without port, brackets and zone; empty if unknown.

    Werkzeug's ProxyFix takes what stands in the header just as it is, and reads quotes in it: a visitor's own lone
    quote then swallows what the proxy has added.

    Args:
        app: The application to be called.
        proxies: How many proxies of ours stand before us. What they said is believed, but for an entry that is no
            address: then nobody knows. If they said nothing, the request is the nearest proxy's own.

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
