"""Answers that are spelt in another way than most, and mean the same: read over real sockets."""

from __future__ import annotations

import json

import pytest

from orderapp.domain.outcome import Outcome
from tests.systems.misbehaving_servers import RESERVED, ends, reserve
from tests.systems.raw_server import Talk, serving

REFUSED = json.dumps({"error": {"code": "out_of_stock", "message": "None left."}}).encode()
LENGTH = b"Content-Length: %d\r\n" % len(RESERVED)
HEADS = {
    "a_character_set_as_encoding": b"HTTP/1.1 200 OK\r\nContent-Encoding: utf-8\r\n" + LENGTH,
    "an_empty_encoding": b"HTTP/1.1 200 OK\r\nContent-Encoding:\r\n" + LENGTH,
    "a_blank_encoding": b"HTTP/1.1 200 OK\r\nContent-Encoding:  \r\n" + LENGTH,
    "identity": b"HTTP/1.1 200 OK\r\nContent-Encoding: identity\r\n" + LENGTH,
    "identity_in_capitals": b"HTTP/1.1 200 OK\r\nContent-Encoding: Identity \r\n" + LENGTH,
    "identity_twice": b"HTTP/1.1 200 OK\r\nContent-Encoding: identity\r\nContent-Encoding: UTF-8\r\n" + LENGTH,
    "no_reason": b"HTTP/1.1 200\r\n" + LENGTH,
    "no_reason_but_its_blank": b"HTTP/1.1 200 \r\n" + LENGTH,
    "another_reason": b"HTTP/1.1 200 Not Found\r\n" + LENGTH,
    "a_reason_beyond_ascii": b"HTTP/1.1 200 \xc3\x96K \xff\r\n" + LENGTH,
    "lower_case_names": b"HTTP/1.1 200 OK\r\n" + LENGTH.lower(),
    "upper_case_names": b"HTTP/1.1 200 OK\r\n" + LENGTH.upper(),
    "blanks_around_a_length": b"HTTP/1.1 200 OK\r\nContent-Length: \t %d \t \r\n" % len(RESERVED),
    "line_feeds_alone": b"HTTP/1.1 200 OK\nContent-Length: %d\n" % len(RESERVED),
    "a_type_with_a_character_set": b'HTTP/1.1 200 OK\r\nContent-Type: application/json; charset="UTF-8"\r\n' + LENGTH,
    "another_type": b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=iso-8859-1\r\n" + LENGTH,
    "a_problem": b"HTTP/1.1 200 OK\r\nContent-Type: application/problem+json\r\n" + LENGTH,
    "http_1_0": b"HTTP/1.0 200 OK\r\n" + LENGTH,
    "keep_alive": b"HTTP/1.1 200 OK\r\nConnection: Keep-Alive\r\nKeep-Alive: timeout=5\r\n" + LENGTH,
    "header_values_beyond_ascii": b"HTTP/1.1 200 OK\r\nX-Host: t\xc3\xa9l\xff\r\n" + LENGTH,
    "a_folded_header": b"HTTP/1.1 200 OK\r\nX-More: and\r\n more\r\n" + LENGTH,
    "a_header_without_a_value": b"HTTP/1.1 200 OK\r\nX-More:\r\n" + LENGTH,
    "a_length_twice": b"HTTP/1.1 200 OK\r\n" + LENGTH * 2,
}


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_a_head_spelt_in_another_way_is_read(head: bytes) -> None:
    def talk(talk: Talk) -> None:
        talk.read_request()
        talk.say(head, b"\n" if b"\r" not in head else b"\r\n", RESERVED)
        talk.stall()

    with serving(talk) as server:
        assert ends(reserve(server.url)) == (Outcome.DONE, "")


BODIES = {
    "a_byte_order_mark": b"\xef\xbb\xbf" + RESERVED,
    "blanks_around": b" \r\n\t" + RESERVED + b"\n\n ",
    "escaped": RESERVED.replace(b":1:", b"\\u003a1\\u003A"),
    "further_members": RESERVED[:-1] + b', "links": {"self": null}, "took": 1.5e0}',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("chunked", [False, True], ids=["whole", "chunked"])
def test_a_body_spelt_in_another_way_is_read(body: bytes, chunked: bool) -> None:
    def talk(talk: Talk) -> None:
        talk.read_request()
        if chunked:
            pieces = b"".join(
                b"%X;x=y\r\n%b\r\n" % (len(body[at : at + 7]), body[at : at + 7]) for at in range(0, len(body), 7)
            )
            talk.say(b"HTTP/1.1 201 Created\r\nTransfer-Encoding: Chunked\r\n\r\n", pieces, b"0\r\nX-End: 1\r\n\r\n")
        else:
            talk.say(b"HTTP/1.1 201 Created\r\nContent-Length: %d\r\n\r\n" % len(body), body)
        talk.stall()

    with serving(talk) as server:
        assert ends(reserve(server.url)) == (Outcome.DONE, "")


def test_a_refusal_in_a_problem_is_read_with_its_mark() -> None:
    def talk(talk: Talk) -> None:
        talk.read_request()
        body = b"\xef\xbb\xbf" + REFUSED
        talk.say(b"HTTP/1.1 409 \r\ncontent-type: application/problem+json\r\ncontent-encoding: utf8\r\n")
        talk.say(b"content-length: %d\r\n\r\n" % len(body), body)

    with serving(talk) as server:
        assert ends(reserve(server.url)) == (Outcome.REFUSED, "out_of_stock")


@pytest.mark.parametrize("encoding", ["gzip", "X-GZIP", "identity, gzip", "br", "zstd", "deflate"])
def test_what_says_that_it_is_compressed_proves_nothing(encoding: str) -> None:
    def talk(talk: Talk) -> None:
        talk.read_request()
        talk.say(
            f"HTTP/1.1 409 Conflict\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(REFUSED)}\r\n\r\n".encode()
        )
        talk.say(REFUSED)

    with serving(talk) as server:
        assert ends(reserve(server.url)) == (Outcome.UNKNOWN, "cut_off")
