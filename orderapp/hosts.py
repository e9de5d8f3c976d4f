"""The host names we answer to: that of PUBLIC_URL. No address in an answer is built from the request's Host header."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Flask, Response, abort, request

from orderapp.systems.settings import is_loopback

DEFAULT_PORTS = {"http": 80, "https": 443}
# Supervisors and monitoring ask each process under its own address; these answers contain no address.
ASKED_BY_ADDRESS = frozenset({"/healthz", "/readyz", "/metrics"})
WRONG_HOST = "This is not the address of the shop. Nothing was done; please use the address you were given."


def init_app(app: Flask, public_url: str) -> None:
    """Refuse requests to hosts other than the public address's, and redirect to no other host.

    Loopback is allowed as well: a foreign link can't lead our visitors there.

    Args:
        app: The application.
        public_url: Its public address; without one, every host name is allowed, since none is known to be wrong.
    """
    public = _host_and_port(public_url) if public_url else None

    @app.before_request
    def refuse_other_hosts() -> None:
        if public is None or request.path in ASKED_BY_ADDRESS:
            return
        asked = _host_and_port(f"{request.scheme}://{request.host}")
        # Proxies may leave out the port.
        known = asked in (public, (public[0], DEFAULT_PORTS.get(request.scheme)))
        if not known and not is_loopback(asked[0]):
            abort(400, WRONG_HOST)

    @app.after_request
    def lead_within(response: Response) -> Response:
        location = response.headers.get("Location", "")
        if location.startswith(request.host_url):
            # The router makes locations absolute, with the host that the request names.
            response.headers["Location"] = "/" + location.removeprefix(request.host_url)
        return response


def _host_and_port(address: str) -> tuple[str, int | None]:
    """Return host and port; an empty host, which matches none, if it is no address."""
    try:
        parts = urlsplit(address)
        return (parts.hostname or "").rstrip("."), parts.port or DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return "", None
