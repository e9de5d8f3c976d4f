"""Connections that say more than they were asked: no answer is ever taken for another call's."""

from __future__ import annotations

import json
import threading

import pytest

from orderapp.domain.outcome import Finding, Outcome
from orderapp.systems.coupon import Coupon
from orderapp.systems.settlement import Settlement
from tests.systems.making import effect_for, make
from tests.systems.misbehaving_servers import EFFECT, PATIENT, RESERVED, answers_well, ends, inventory, reserve
from tests.systems.raw_server import Talk, http_answer, serving

REFUSED = json.dumps({"error": {"code": "out_of_stock", "message": "None left."}}).encode()
EARLY_HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
PROCESSING = b"HTTP/1.1 102 Processing\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\nX-More: and more\r\n\r\n"
UNNAMED = b"HTTP/1.1 199 Whatever\r\n\r\n"
SOON_SECONDS = 0.05


@pytest.mark.parametrize(
    "pieces",
    [
        [EARLY_HINTS],
        [PROCESSING],
        [CONTINUE],
        [UNNAMED],
        [CONTINUE, EARLY_HINTS, PROCESSING, EARLY_HINTS],
        [CONTINUE] * 9,
    ],
)
@pytest.mark.parametrize("late", [False, True], ids=["together", "apart"])
def test_informational_answers_are_read_past(pieces: list[bytes], late: bool) -> None:
    def talk(talk: Talk) -> None:
        while True:
            talk.read_request()
            for piece in pieces:
                talk.say(piece)
                if late:
                    talk.stopping.wait(SOON_SECONDS)
            talk.say(http_answer(RESERVED))

    with serving(talk) as server:
        system = inventory(server.url)
        assert [system.act(EFFECT).outcome for _ in range(3)] == [Outcome.DONE] * 3
        assert len(server.talks) == 1, "a connection that is in step is used again"


def test_a_change_of_protocol_is_no_answer_and_its_connection_is_closed() -> None:
    def talk(talk: Talk) -> None:
        talk.read_request()
        if talk.number == 1:
            talk.say(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n")
            talk.say(http_answer(REFUSED, "409 Conflict"))
        else:
            talk.say(http_answer(RESERVED))
        talk.stall()

    with serving(talk) as server:
        system = inventory(server.url)
        assert [ends(system.act(EFFECT)) for _ in range(2)] == [(Outcome.UNKNOWN, "cut_off"), (Outcome.DONE, "")]
        assert len(server.talks) == 2


AFTERTHOUGHTS = [
    http_answer(REFUSED, "409 Conflict"),
    http_answer(b"", "404 Not Found"),
    http_answer(RESERVED),
    b"HTTP/1.1 409",
    b"\r\n",
    EARLY_HINTS,
    b"0",
]


@pytest.mark.parametrize("more", AFTERTHOUGHTS)
@pytest.mark.parametrize("late", [False, True], ids=["together", "apart"])
def test_what_comes_unasked_behind_an_answer_ends_its_connection(more: bytes, late: bool) -> None:
    """Read ahead with the answer, or waiting in the socket: it is nobody's answer."""

    def talk(talk: Talk) -> None:
        talk.read_request()
        if talk.number == 2:
            talk.say(http_answer(RESERVED))
        elif late:
            talk.say(http_answer(RESERVED))
            talk.say(more)
            said.release()
        else:
            talk.say(http_answer(RESERVED), more)
            said.release()
        talk.stall()

    said = threading.Semaphore(0)
    with serving(talk) as server:
        system = inventory(server.url)
        assert system.act(EFFECT).outcome is Outcome.DONE
        assert said.acquire(timeout=5)
        assert ends(system.act(EFFECT)) == (Outcome.DONE, "")
        assert len(server.talks) == 2


ODD = {
    "two_framings": b"HTTP/1.1 409 Conflict\r\nContent-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"%x\r\n%b\r\n0\r\n\r\n" % (len(REFUSED), len(REFUSED), REFUSED),
    "a_length_twice": b"HTTP/1.1 409 Conflict\r\nContent-Length: %d\r\nContent-Length: %d\r\n\r\n%b"
    % (len(REFUSED), len(REFUSED), REFUSED),
    "a_header_without_a_colon": b"HTTP/1.1 409 Conflict\r\nContent-Length: %d\r\nnonsense\r\nX: 1\r\n\r\n%b"
    % (len(REFUSED), REFUSED),
    "a_longer_body_than_told": b"HTTP/1.1 409 Conflict\r\nContent-Length: %d\r\n\r\n%bmore" % (len(REFUSED), REFUSED),
    "an_answer_that_says_nothing": http_answer(b"<h1>Oops</h1>", "500 Internal Server Error"),
    "another_call's_answer": http_answer(RESERVED.replace(b":1:", b":9:")),
    "no_json": http_answer(b"<h1>Welcome</h1>"),
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_a_connection_on_which_anything_odd_happened_is_not_used_again(odd: bytes) -> None:
    def talk(talk: Talk) -> None:
        while True:
            talk.read_request()
            talk.say(odd if talk.number == 1 else http_answer(RESERVED))

    with serving(talk) as server:
        system = inventory(server.url)
        assert system.act(EFFECT).outcome in (Outcome.REFUSED, Outcome.UNKNOWN)
        assert system.act(EFFECT).outcome is Outcome.DONE
        assert len(server.talks) == 2


@pytest.mark.parametrize("length", ["-1", "+5", "5_0", "abc", "", "0x10", "9" * 5000, "5, 6"])
def test_a_length_that_is_none_is_unknown_at_once(length: str) -> None:
    def talk(talk: Talk) -> None:
        talk.read_request()
        talk.say(f"HTTP/1.1 409 Conflict\r\nContent-Length: {length}\r\n\r\n".encode(), REFUSED)
        talk.stall()

    with serving(talk) as server:
        assert ends(reserve(server.url)) == (Outcome.UNKNOWN, "cut_off")


@pytest.mark.parametrize("kind", [Coupon, Settlement])
def test_a_proof_of_absence_comes_over_a_connection_of_its_own(kind: type[Coupon | Settlement]) -> None:
    """Even where the system answers a question with what it had in store for the call before."""
    effect = effect_for(kind)
    state = {"coupon": "redeemed", "settlement": "settled"}[kind.name]
    made = {"key": effect.key, "reference": effect.key, "id": "r-1", "state": state}
    there = json.dumps({"redemption": made, "redemptions": [made], "settlement": made}).encode()
    nothing = http_answer(b'{"redemptions": []}') if kind is Coupon else http_answer(b"", "404 Not Found")

    def one_late(talk: Talk) -> None:
        talk.read_request()
        talk.say(http_answer(there))
        while True:
            talk.read_request()
            # Not in the socket before the question is: nobody can see it coming.
            talk.say(nothing, http_answer(there))

    def talk(talk: Talk) -> None:
        (one_late if talk.number == 1 else lambda talk: (talk.read_request(), talk.say(http_answer(there))))(talk)

    with serving(talk) as server:
        system = make(kind, server.url, **{f"{kind.name.upper()}_TIMEOUT": PATIENT})
        assert system.act(effect).outcome is Outcome.DONE
        assert system.ask(effect).finding is Finding.IN_PLACE
        assert len(server.talks) == 2


def test_a_system_in_step_keeps_its_connection() -> None:
    with serving(answers_well) as server:
        system = inventory(server.url)
        assert [system.act(EFFECT).outcome for _ in range(5)] == [Outcome.DONE] * 5
        assert len(server.talks) == 1
