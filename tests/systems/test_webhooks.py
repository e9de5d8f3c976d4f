"""Events are sent signed, bounded, without redirects, and only to addresses that may be reached."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from orderapp.systems.http import MAX_BODY_BYTES
from orderapp.systems.settings import Environment, Timeouts
from orderapp.systems.webhooks import Delivered, Message, Receivers, new_secret, send
from tests.systems.raw_server import RawServer, Talk, http_answer, serving

MESSAGE = Message("evt_1", "order.placed", json.dumps({"type": "order.placed"}))
HERE = Receivers(production=False, allow_private=False, timeouts=Timeouts(2, 3))
PUBLIC = Receivers(production=True, allow_private=False, timeouts=Timeouts(2, 3))
PRIVATE = Receivers(production=True, allow_private=True, timeouts=Timeouts(2, 3))


def sent(talks: Callable[[Talk], None], *secrets: str, path: str = "/hooks?of=shop") -> tuple[Delivered, list[bytes]]:
    """Send the message to a receiver that behaves so; return what came of it, and what the receiver got."""
    got: list[bytes] = []

    def receive(talk: Talk) -> None:
        got.append(talk.read_request())
        talks(talk)

    with serving(receive) as server:
        return send(f"{server.url}{path}", MESSAGE, secrets or [new_secret()], HERE), got


def says(body: bytes, status: str = "200 OK", *headers: str) -> Callable[[Talk], None]:
    return lambda talk: talk.say(http_answer(body, status, *headers))


def headers_of(request: bytes) -> dict[str, str]:
    head = request.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head)}


def test_a_receiver_can_verify_what_it_gets_with_each_of_the_secrets() -> None:
    old, new, another = new_secret(), new_secret(), new_secret()
    delivered, [request] = sent(says(b"thanks"), new, old)
    assert delivered == Delivered(ok=True, status=200, answer="thanks")
    head, _, body = request.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /hooks?of=shop HTTP/1.1\r\n")
    headers = headers_of(request)
    assert headers["content-type"] == "application/json"
    assert headers["webhook-id"] == MESSAGE.id
    for secret in (old, new):
        assert Webhook(secret).verify(body, headers) == {"type": "order.placed"}
    with pytest.raises(WebhookVerificationError):
        Webhook(another).verify(body, headers)


@pytest.mark.parametrize("status", ["302 Found", "400 Bad Request", "404 Not Found", "500 No", "503 Later"])
def test_every_other_status_means_that_it_is_sent_again(status: str) -> None:
    delivered, got = sent(says(b"no", status, "Location: /elsewhere", "Retry-After: 7"))
    assert (delivered.ok, delivered.status, delivered.answer) == (False, int(status[:3]), "no")
    assert delivered.retry_after_seconds == 7
    assert len(got) == 1


def test_a_receiver_that_is_gone_says_so() -> None:
    delivered, _ = sent(says(b"", "410 Gone"))
    assert delivered.gone
    assert not delivered.ok


def test_what_a_receiver_answers_is_bounded_and_holds_no_secret() -> None:
    secret = new_secret()
    delivered, _ = sent(says(f"you signed with {secret} {'x' * 5000}".encode()), secret)
    assert delivered.ok
    assert len(delivered.answer) == 300
    assert secret not in delivered.answer


def test_a_receiver_that_floods_us_is_cut_off() -> None:
    def floods(talk: Talk) -> None:
        talk.say(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n", b"x" * (MAX_BODY_BYTES + 1))

    delivered, _ = sent(floods)
    assert not delivered.ok


def test_a_receiver_that_hangs_costs_no_more_than_the_time_outs() -> None:
    impatient = Receivers(production=False, allow_private=False, timeouts=Timeouts(0.2, 0.3))
    started = time.monotonic()
    with serving(lambda talk: talk.drip(b"HTTP/1.1 200 OK\r\n")) as server:
        delivered = send(server.url, MESSAGE, [new_secret()], impatient)
    assert not delivered.ok
    assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    ("url", "receivers", "said"),
    [
        ("https://shop.example/hooks?key=1", PUBLIC, ""),
        ("http://shop.example/hooks", PUBLIC, "encrypted"),
        ("http://127.0.0.1:9/hooks", PUBLIC, "encrypted"),
        ("http://127.0.0.1:9/hooks", HERE, ""),
        ("http://192.168.0.4/hooks", HERE, "encrypted"),
        ("https://127.0.0.1/hooks", PUBLIC, "isn't public"),
        ("https://localhost/hooks", PUBLIC, "isn't public"),
        ("https://10.1.2.3/hooks", PUBLIC, "isn't public"),
        ("https://10.1.2.3/hooks", PRIVATE, ""),
        ("https://[::ffff:10.1.2.3]/hooks", PUBLIC, "isn't public"),
        ("https://169.254.169.254/latest", PUBLIC, "isn't public"),
        ("https://169.254.169.254/latest", PRIVATE, "isn't public"),
        ("https://me:secret@shop.example/", PUBLIC, "no user"),
        ("https://shop.example/#part", PUBLIC, "fragment"),
        ("https://shop.example/a b", PUBLIC, "no blanks"),
        ("https://caf\N{LATIN SMALL LETTER E WITH ACUTE}.example/", PUBLIC, "ASCII"),
        ("ftp://shop.example/", PUBLIC, "begins with https://"),
        ("https://", PUBLIC, "begins with https://"),
        ("https://[::1/", PUBLIC, "no address"),
        ("https://shop.example:99999/", PUBLIC, "no address"),
        (f"https://shop.example/{'x' * 500}", PUBLIC, "at most 500"),
    ],
)
def test_an_address_that_nothing_may_be_sent_to_is_refused(url: str, receivers: Receivers, said: str) -> None:
    objection = receivers.objection(url)
    assert said in objection
    assert bool(said) is bool(objection)


def test_a_name_that_leads_to_ourselves_is_found_out_when_we_connect() -> None:
    """As an attacker's name does, which led to a public address when it was subscribed."""
    with serving(lambda talk: talk.say(http_answer(b"inside"))) as server:
        delivered = send(server.url.replace("127.0.0.1", "localhost"), MESSAGE, [new_secret()], PUBLIC)
        assert not delivered.ok
        assert delivered.status == 0
        assert "network address that isn't permitted" in delivered.answer
        assert connections(server) == 0
        delivered = send(server.url.replace("127.0.0.1", "localhost"), MESSAGE, [new_secret()], PRIVATE)
        assert delivered.ok
        assert connections(server) == 1


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07::1", True),
        ("64:ff9b::5db8:d70e", True),
        ("0.0.0.0", False),
        ("100.64.0.1", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:127.0.0.1", False),
        ("::10.0.0.1", False),
        ("64:ff9b::a9fe:a9fe", False),
        ("2002:a00:1::1", False),
        ("nonsense", False),
    ],
)
def test_only_public_addresses_are_permitted_however_they_are_written(address: str, public: bool) -> None:
    assert PUBLIC.permits(address) is public


def test_the_settings_are_read_from_the_environment() -> None:
    variables = {"WEBHOOKS_TIMEOUT": "1,2", "WEBHOOKS_ALLOW_PRIVATE": "1"}
    assert Receivers.from_environment(Environment(variables, production=True)) == Receivers(True, True, Timeouts(1, 2))
    assert Receivers.from_environment(Environment({}, production=True)) == Receivers(True, False, Timeouts(3, 10))


def connections(server: RawServer) -> int:
    return len(server.talks)
