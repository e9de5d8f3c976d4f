"""One call to a system, and servers that answer it well, break off, hang, drip and flood."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable

from orderapp.domain.outcome import Answer, Outcome
from orderapp.systems.http import MAX_BODY_BYTES
from orderapp.systems.inventory import Inventory
from tests.systems.making import effect_for, make
from tests.systems.raw_server import Talk, http_answer

# Where an answer comes or a connection breaks nobody waits; where neither happens the wait itself is tested.
PATIENT, IMPATIENT = "3,5", "0.2,0.4"
SLACK_SECONDS = 0.5  # for a machine that has other things to do
EFFECT = effect_for(Inventory)
RESERVED = json.dumps({"reservation": {"key": EFFECT.key, "state": "reserved"}}).encode()


def inventory(url: str, timeout: str = PATIENT) -> Inventory:
    return make(Inventory, url, INVENTORY_TIMEOUT=timeout)


def reserve(url: str, timeout: str = PATIENT) -> Answer:
    """Make one call, within its total time."""
    system = inventory(url, timeout)
    started = time.monotonic()
    answer = system.act(EFFECT)
    assert time.monotonic() - started < system.call_seconds + SLACK_SECONDS
    return answer


def ends(answer: Answer) -> tuple[Outcome, str]:
    return answer.outcome, answer.code


def answers_well(talk: Talk) -> None:
    while True:
        talk.read_request()
        talk.say(http_answer(RESERVED))


def cuts(talk: Talk) -> None:
    talk.read_request()
    talk.reset()


def ends_at_once(talk: Talk) -> None:
    talk.read_request()


def resets_at_once(talk: Talk) -> None:
    talk.reset()


def cuts_after_the_head(talk: Talk) -> None:
    talk.read_request()
    talk.say(http_answer(RESERVED)[: -len(RESERVED)])
    talk.reset()


def says_less_than_it_promised(talk: Talk) -> None:
    talk.read_request()
    talk.say(http_answer(RESERVED)[:-1])


def cuts_a_body_without_length(talk: Talk) -> None:
    talk.read_request()
    talk.say(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", RESERVED[:-1])


def cuts_a_chunk(talk: Talk) -> None:
    talk.read_request()
    talk.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % len(RESERVED), RESERVED, b"\r\n")


def speaks_something_else(talk: Talk) -> None:
    talk.read_request()
    talk.say(b"220 mail.example ESMTP\r\n")


def sends_endless_headers(talk: Talk) -> None:
    talk.read_request()
    talk.say(b"HTTP/1.1 200 OK\r\n")
    while True:
        talk.say(b"X-More: and more\r\n" * 100)


def sends_one_endless_header(talk: Talk) -> None:
    talk.read_request()
    talk.say(b"HTTP/1.1 200 OK\r\nX-More: ")
    while True:
        talk.say(b"and more " * 1000)


def sends_broken_chunks(talk: Talk) -> None:
    talk.read_request()
    talk.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nmany\r\n", RESERVED)


def stalls(talk: Talk) -> None:
    talk.stall()


def stalls_after_the_head(talk: Talk) -> None:
    talk.read_request()
    talk.say(http_answer(RESERVED)[: -len(RESERVED)])
    talk.stall()


def drips_its_head(talk: Talk) -> None:
    talk.read_request()
    talk.say(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    talk.drip(b"a")


def drips_its_body(talk: Talk) -> None:
    talk.read_request()
    talk.say(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    talk.drip(b" ")


def drips_chunks(talk: Talk) -> None:
    talk.read_request()
    talk.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    talk.drip(b"1\r\n \r\n")


def drips_without_an_end(talk: Talk) -> None:
    talk.read_request()
    talk.say(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    talk.drip(b" ")


def promises_for_ever(talk: Talk) -> None:
    talk.read_request()
    talk.drip(b"HTTP/1.1 100 Continue\r\n\r\n", every_seconds=0.002)


def drips_an_error(talk: Talk) -> None:
    talk.read_request()
    talk.say(b"HTTP/1.1 409 Conflict\r\nContent-Length: 100000\r\n\r\n")
    talk.drip(b" ")


def floods(status: str, *headers: str) -> Callable[[Talk], None]:
    chunk = b" " * 65_536

    def talk(talk: Talk) -> None:
        talk.read_request()
        talk.say(http_answer(b"", status, *headers).replace(b"Length: 0", b"Length: 52428800"))
        for _ in range(800):
            talk.say(chunk)

    return talk


def bombs(status: str, *headers: str) -> Callable[[Talk], None]:
    bomb = gzip.compress(b" " * 50_000_000)
    assert len(bomb) < MAX_BODY_BYTES

    def talk(talk: Talk) -> None:
        talk.read_request()
        talk.say(http_answer(bomb, status, "Content-Encoding: gzip", *headers))

    return talk
