"""Headers that came twice, over a real server, which joins them before the application sees them."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flow.production import Production
from tests.servers.loopback import HOST

BODY = json.dumps(
    {"customer": {"name": "Ada", "email": "ada@example.com"}, "lines": [{"sku": "TEA-GREEN", "quantity": 1}]}
)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Production, str]]:
    """The web process alone, on SQLite, and a token."""
    folder: Path = tmp_path_factory.mktemp("shop")
    production = Production(folder, f"sqlite:///{folder / 'orders.db'}", "", ["web"])
    try:
        token = production.set_up()
        production.start()
        yield production, token
    finally:
        production.close()


def send(production: Production, token: str, *further: str, without: str = "") -> tuple[int, str]:
    """Send an order with exactly these header lines beside the usual ones; return status and body."""
    usual = [
        f"Host: {HOST}:{production.port}",
        f"Authorization: Bearer {token}",
        "Content-Type: application/json",
        f"Content-Length: {len(BODY)}",
        "Connection: close",
    ]
    lines = [line for line in usual if not without or not line.startswith(without)]
    text = "\r\n".join(["POST /api/v1/orders HTTP/1.1", *lines, *further, "", BODY])
    with socket.create_connection((HOST, production.port), timeout=20) as connection:
        connection.sendall(text.encode("latin-1"))
        answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    head, _, body = answer.partition("\r\n\r\n")
    return int(head.split()[1]), body


KEY = "Idempotency-Key: one"


@pytest.mark.parametrize(
    "further",
    [
        (KEY, "Idempotency-Key: two"),
        (KEY, KEY),
        (KEY, "idempotency-key: two"),
        (KEY, "Idempotency-Key:"),
        (KEY, "Authorization: Bearer other"),
        (KEY, "Content-Type: application/json"),
        (KEY, "Content-Type: text/plain"),
        (KEY, "Host: other.example"),
        (KEY, f"Content-Length: {len(BODY)}"),
        ("Idempotency-Key: a,b",),
        ("Idempotency-Key: schl\u00fcssel",),
        ("Idempotency-Key: " + "k" * 65,),
        ("Idempotency-Key: ",),
        ("Idempotency-Key:   \t ",),
    ],
)
def test_what_can_be_read_in_two_ways_is_a_400_and_nothing_is_recorded(
    shop: tuple[Production, str], further: tuple[str, ...]
) -> None:
    production, token = shop
    status, _body = send(production, token, *further)
    assert status == 400
    status, body = send(production, token, "Idempotency-Key: sent-first")
    assert status in (200, 201), body


def test_a_note_of_the_client_s_own_changes_nothing(shop: tuple[Production, str]) -> None:
    production, token = shop
    for note in ("Orderapp-Came-Twice: HOST", "Orderapp_Came_Twice: HOST"):
        status, body = send(production, token, "Idempotency-Key: sent-first", note)
        assert status in (200, 201), body


def test_blanks_around_a_key_are_none_of_it(shop: tuple[Production, str]) -> None:
    production, token = shop
    assert send(production, token, "Idempotency-Key:   sent-first  ")[0] in (200, 201)
