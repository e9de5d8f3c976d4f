"""Which address a request counts for, behind proxies of ours and without."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import request

from orderapp import create_app


def seen(tmp_path: Path, proxies: int, peer: str, header: str | None) -> str | None:
    """Return the address that a view sees."""
    app = create_app(
        {
            "ORDERAPP_MODE": "development",
            "DATABASE_URL": f"sqlite:///{tmp_path / 'orders.db'}",
            "TRUSTED_PROXIES": str(proxies),
        }
    )
    app.add_url_rule("/address", "address", lambda: str(request.remote_addr))
    headers = {} if header is None else {"X-Forwarded-For": header}
    return app.test_client().get("/address", headers=headers, environ_overrides={"REMOTE_ADDR": peer}).text


@pytest.mark.parametrize(
    ("proxies", "peer", "header", "address"),
    [
        (0, "192.0.2.1", None, "192.0.2.1"),
        (0, "192.0.2.1", "198.51.100.3", "192.0.2.1"),
        (0, "::ffff:192.0.2.1", None, "192.0.2.1"),
        (0, "fe80::1%eth0", None, "fe80::1"),
        (0, "", None, "None"),
        (1, "10.0.0.1", "198.51.100.3", "198.51.100.3"),
        (1, "10.0.0.1", "198.51.100.3:443", "198.51.100.3"),
        (1, "10.0.0.1", "[2001:db8::1]:4000", "2001:db8::1"),
        (1, "10.0.0.1", '", 198.51.100.3', "198.51.100.3"),
        (1, "10.0.0.1", "203.0.113.9, 198.51.100.3", "198.51.100.3"),
        (1, "", "198.51.100.3", "198.51.100.3"),
        (2, "10.0.0.1", "198.51.100.3:1, 10.0.0.2", "198.51.100.3"),
        # The proxy spoke, but of no address: nobody knows.
        (1, "10.0.0.1", "unknown", "None"),
        # It said nothing: the request is its own.
        (1, "10.0.0.1", None, "10.0.0.1"),
        (1, "10.0.0.1", "", "10.0.0.1"),
        (2, "10.0.0.1", "198.51.100.3", "10.0.0.1"),
    ],
)
def test_the_address_is_the_peers_or_what_our_proxies_say(
    tmp_path: Path, proxies: int, peer: str, header: str | None, address: str
) -> None:
    assert seen(tmp_path, proxies, peer, header) in (address, "" if address == "None" else address)
