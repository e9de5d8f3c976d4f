"""Calls over TLS: what fails before the request is proof that nothing was sent; what fails after it is unknown."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from orderapp.domain.outcome import Outcome
from orderapp.systems.bounded import call_within, connect, tls_context
from tests.servers.loopback import poll_until
from tests.systems.certificates import Certificate, make_certificate
from tests.systems.misbehaving_servers import (
    EFFECT,
    IMPATIENT,
    PATIENT,
    answers_well,
    cuts,
    drips_its_body,
    ends,
    ends_at_once,
    inventory,
    reserve,
    resets_at_once,
    stalls,
)
from tests.systems.raw_server import RawServer, Talk, serving, several_addresses, silent_port


def over_tls(certificate: Certificate, then: Callable[[Talk], None]) -> Callable[[Talk], None]:
    def talk(talk: Talk) -> None:
        talk.wrap(certificate.server_context())
        then(talk)

    return talk


def tls_url(server: RawServer) -> str:
    return server.url.replace("http://", "https://")


def test_a_certificate_that_nobody_vouches_for_is_proof_that_nothing_was_sent(certificate: Certificate) -> None:
    requests: list[bytes] = []
    with serving(over_tls(certificate, lambda talk: requests.append(talk.read_request()))) as server:
        assert ends(reserve(tls_url(server))) == (Outcome.NOT_SENT, "not_connected")
    assert requests == []


def test_a_certificate_of_another_host_is_proof_that_nothing_was_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = make_certificate(tmp_path, "DNS:inventory.example")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
    with serving(over_tls(certificate, answers_well)) as server:
        assert ends(reserve(tls_url(server))) == (Outcome.NOT_SENT, "not_connected")


@pytest.mark.parametrize(
    "talk",
    [
        resets_at_once,
        lambda talk: talk.read_until(b"\x16"),
        lambda talk: talk.say(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        lambda talk: talk.say(b"\x15\x03\x03\x00\x02\x02\x28"),
    ],
)
def test_a_handshake_that_fails_is_proof_that_nothing_was_sent(talk: Callable[[Talk], None]) -> None:
    with serving(talk) as server:
        assert ends(reserve(tls_url(server))) == (Outcome.NOT_SENT, "not_connected")


def test_a_connection_that_is_gone_before_the_handshake_is_never_used_without_one() -> None:
    connected = threading.Event()

    def resets_once_connected(talk: Talk) -> None:
        connected.wait(5)  # a reset that is faster than we are fails the connecting itself
        resets_at_once(talk)

    with serving(resets_once_connected) as server, call_within(2) as call:
        connection = connect("127.0.0.1", urlsplit(server.url).port or 0, 1)
        connected.set()

        def is_gone() -> bool:
            try:
                connection.getpeername()
            except OSError:
                return True
            return False

        assert poll_until(is_gone, within_seconds=5)
        with pytest.raises(OSError, match="."):
            tls_context().wrap_socket(connection, server_hostname="inventory.example")
        assert (call.unreached, call.sent) == (True, False)
        connection.close()


@pytest.mark.parametrize("talk", [stalls, lambda talk: talk.drip(b"\x16\x03\x03\x40\x00" + b"\x00" * 1000)])
def test_a_handshake_that_takes_too_long_ends_in_the_calls_time_with_nothing_sent(
    talk: Callable[[Talk], None],
) -> None:
    with serving(talk) as server:
        assert ends(reserve(tls_url(server), IMPATIENT)) == (Outcome.NOT_SENT, "not_connected")


def test_a_long_time_to_connect_does_not_add_up_with_the_handshake(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(stalls) as server, silent_port() as port:
        found = several_addresses(port)()[:1] + several_addresses(server.port)()[:1]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        # Half of the time to connect goes to the first address; the handshake may not have the whole of it again.
        assert reserve(f"https://localhost:{server.port}", "1.6,0.1").outcome is Outcome.NOT_SENT


def test_a_certificate_that_the_system_trusts_will_do(
    certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
    with serving(over_tls(certificate, answers_well)) as server:
        system = inventory(tls_url(server))
        assert [system.act(EFFECT).outcome for _ in range(2)] == [Outcome.DONE] * 2
        assert len(server.talks) == 1


@pytest.mark.parametrize(
    ("then", "code"), [(drips_its_body, "timeout"), (stalls, "timeout"), (cuts, "cut_off"), (ends_at_once, "cut_off")]
)
def test_over_tls_too_what_happens_after_the_request_is_unknown(
    then: Callable[[Talk], None], code: str, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
    with serving(over_tls(certificate, then)) as server:
        timeout = IMPATIENT if code == "timeout" else PATIENT
        assert ends(reserve(tls_url(server), timeout)) == (Outcome.UNKNOWN, code)


def test_a_client_certificate_that_is_missed_after_the_request_is_unknown(
    certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In TLS 1.3 a client learns that it isn't let in only after it has sent its request."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))

    def talk(talk: Talk) -> None:
        context = certificate.server_context()
        context.verify_mode = ssl.CERT_REQUIRED
        talk.wrap(context)

    with serving(talk) as server:
        assert ends(reserve(tls_url(server))) == (Outcome.UNKNOWN, "cut_off")
