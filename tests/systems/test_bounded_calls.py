"""Calls over real sockets, to servers that hang, drip, flood, cut and lie."""

from __future__ import annotations

import gzip
import socket
import time
import tracemalloc
from collections.abc import Callable

import pytest

from orderapp.domain.outcome import Outcome
from orderapp.systems.http import MAX_BODY_BYTES
from tests.systems.misbehaving_servers import (
    IMPATIENT,
    RESERVED,
    answers_well,
    bombs,
    cuts,
    cuts_a_body_without_length,
    cuts_a_chunk,
    cuts_after_the_head,
    drips_an_error,
    drips_chunks,
    drips_its_body,
    drips_its_head,
    drips_without_an_end,
    ends,
    ends_at_once,
    floods,
    promises_for_ever,
    reserve,
    says_less_than_it_promised,
    sends_broken_chunks,
    sends_endless_headers,
    sends_one_endless_header,
    speaks_something_else,
    stalls,
    stalls_after_the_head,
)
from tests.systems.raw_server import Talk, http_answer, serving, several_addresses, silent_port


def test_an_answer_that_comes_is_believed() -> None:
    with serving(answers_well) as server:
        assert ends(reserve(server.url)) == (Outcome.DONE, "")


# Before anything is sent


def test_a_refused_connection_is_proof_that_nothing_was_sent(free_port: int) -> None:
    answer = reserve(f"http://127.0.0.1:{free_port}")
    assert (*ends(answer), answer.repeatable) == (Outcome.NOT_SENT, "not_connected", True)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 64 + ".invalid", "-", "."])
def test_a_name_that_nobody_knows_is_proof_that_nothing_was_sent(host: str) -> None:
    assert reserve(f"https://{host}").outcome is Outcome.NOT_SENT


def test_a_host_that_does_not_take_the_connection_got_nothing() -> None:
    with silent_port() as port:
        assert ends(reserve(f"http://127.0.0.1:{port}", IMPATIENT)) == (Outcome.NOT_SENT, "not_connected")


def test_all_addresses_of_a_host_together_have_the_time_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with silent_port() as port:
        monkeypatch.setattr(socket, "getaddrinfo", several_addresses(port))
        assert ends(reserve(f"http://localhost:{port}", IMPATIENT)) == (Outcome.NOT_SENT, "not_connected")


def test_the_next_address_of_a_host_is_tried_where_one_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(answers_well) as server, silent_port() as port:
        found = several_addresses(port)()[:1] + several_addresses(server.port)()[:1]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        started = time.monotonic()
        assert reserve(f"http://localhost:{server.port}", "1,3").outcome is Outcome.DONE
        assert time.monotonic() - started < 0.5 + 0.4, "half of the time to connect is for the second address"


def test_the_next_address_of_a_host_is_tried_where_one_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(answers_well) as server:
        found = several_addresses(server.port)()
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [found[3], found[0]])
        assert reserve(f"http://localhost:{server.port}").outcome is Outcome.DONE


# After something was sent


@pytest.mark.parametrize(
    "talk",
    [
        cuts,
        ends_at_once,
        cuts_after_the_head,
        says_less_than_it_promised,
        cuts_a_chunk,
        speaks_something_else,
        sends_endless_headers,
        sends_one_endless_header,
        sends_broken_chunks,
    ],
)
def test_an_answer_that_breaks_off_is_unknown(talk: Callable[[Talk], None]) -> None:
    with serving(talk) as server:
        answer = reserve(server.url)
        assert (*ends(answer), answer.repeatable) == (Outcome.UNKNOWN, "cut_off", True)
        assert len(server.talks) == 1, "nothing is repeated"


def test_half_a_body_that_looks_whole_is_unknown() -> None:
    with serving(cuts_a_body_without_length) as server:
        assert ends(reserve(server.url)) == (Outcome.UNKNOWN, "unreadable_answer")


@pytest.mark.parametrize(
    "talk",
    [
        stalls,
        stalls_after_the_head,
        drips_its_head,
        drips_its_body,
        drips_chunks,
        drips_without_an_end,
        promises_for_ever,
        drips_an_error,
    ],
)
def test_however_slowly_an_answer_comes_the_call_ends_in_its_time_and_is_unknown(talk: Callable[[Talk], None]) -> None:
    with serving(talk) as server:
        assert ends(reserve(server.url, IMPATIENT)) == (Outcome.UNKNOWN, "timeout")


# Size


@pytest.mark.parametrize("flood", [floods, bombs])
@pytest.mark.parametrize("status", ["200 OK", "302 Found", "409 Conflict", "500 Internal Server Error"])
def test_a_flood_is_not_kept_and_proves_nothing(flood: Callable[..., Callable[[Talk], None]], status: str) -> None:
    with serving(flood(status, "Location: http://127.0.0.1:9/")) as server:
        tracemalloc.start()
        try:
            answer = reserve(server.url)
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert answer.outcome is Outcome.UNKNOWN
    assert peak_bytes < 8 * MAX_BODY_BYTES
    assert len(answer.exchanges[0].response) < 2100


def test_compressed_answers_are_not_asked_for_and_not_taken() -> None:
    asked: list[bytes] = []

    def talk(talk: Talk) -> None:
        asked.append(talk.read_request())
        talk.say(http_answer(gzip.compress(RESERVED), "200 OK", "Content-Encoding: gzip"))

    with serving(talk) as server:
        assert ends(reserve(server.url)) == (Outcome.UNKNOWN, "cut_off")
    assert b"accept-encoding: identity\r\n" in asked[0].lower()
    assert asked[0].lower().count(b"accept-encoding") == 1
