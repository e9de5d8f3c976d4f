"""Security headers for every answer. A room that needs another value sets the header itself; it is kept."""

from __future__ import annotations

from flask import Flask, Response, request

# Everything from this host, nothing inline, no plug-ins, no frames, forms only to ourselves.
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # An order's address gives access to it, so it goes to no other site; our own CSRF check needs the referrer.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
STRICT_TRANSPORT_SECURITY = "max-age=63072000; includeSubDomains"  # two years, as preload lists ask for


def init_app(app: Flask, *, only_https: bool) -> None:
    """Add the headers to every answer.

    Args:
        app: The application.
        only_https: Whether the public address is HTTPS; then browsers are told to use nothing else.
    """
    headers = HEADERS | ({"Strict-Transport-Security": STRICT_TRANSPORT_SECURITY} if only_https else {})

    @app.after_request
    def add(response: Response) -> Response:
        for name, value in headers.items():
            response.headers.setdefault(name, value)
        if request.endpoint != "static":
            # Pages of orders and staff must not be stored; a page with its own header knows what it shows.
            response.headers.setdefault("Cache-Control", "no-store")
        return response
