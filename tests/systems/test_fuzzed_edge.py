"""Whatever comes back over a real connection, each verb of each system ends in an outcome that can be stored.

Drawn with a fixed seed: answers of the documented shape, of which a few parts are replaced by what no partner should
ever send. A failure names the bytes that were sent.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable

import pytest

from orderapp.domain.outcome import Answer, Finding, Outcome
from orderapp.systems.base import System
from tests.systems.making import HTTP_KINDS, ORDER, effect_for, make, run, verbs_of
from tests.systems.raw_server import Talk, serving
from tests.systems.scripted_smtp import EFFECT as MAIL
from tests.systems.scripted_smtp import STAGES, ScriptedSmtp, email
from tests.systems.test_answers_of_all import assert_storable

SEED = 20_261_128
CASES_EACH = 30  # of each verb: more than five hundred in all, a few milliseconds each
PATIENCE = "0.5,0.5"

VERSIONS = ["HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "http/1.1", "HTTP/1.9", "ICY", "", "HTTP/1.1" * 9000]
STATUSES = [
    "200",
    "201",
    "202",
    "204",
    "304",
    "400",
    "401",
    "404",
    "409",
    "422",
    "429",
    "500",
    "503",
    "100",
    "101",
    "103",
]
STATUSES += ["099", "000", "999", "1000", "-1", "2O0", "200.0", " 200", "²00", "", "9" * 5000]
REASONS = ["OK", "", " ", "ÖK \x00", "x" * 70_000, "\x1b[2J", "OK\rX: y"]
DATES = ["Mon, 20 Nov 9999999999 12:00:00 GMT", "Mon, 20 Nov 2026 12:00:00 +99999999", "Mon, 20 Nov -5 12:00:00 GMT"]
DATES += [
    "9" * 5000,
    "1e999",
    "-1",
    "²",
    "\xff",
    "",
    "Fri, 31 Dec 9999 23:59:59 -2359",
    "Sat, 1 Jan 0001 00:00 +2359",
    "0 0 0",
]
HEADERS = [f"{name}: {date}" for name in ("Retry-After", "Date") for date in DATES]
HEADERS += ["Content-Encoding: gzip", "Content-Encoding: utf-8", "Content-Encoding:", "Transfer-Encoding: chunked"]
HEADERS += ["Transfer-Encoding: gzip, chunked", "Transfer-Encoding: \xff", "Content-Length: 0", "Content-Length: -5"]
HEADERS += [
    "Content-Length: 99999999999999999999",
    "Content-Length: " + "9" * 5000,
    "Content-Length: 3, 4",
    "Connection: \xe9",
]
HEADERS += ["no colon here", ": no name", "X\x00Y: z", "X: \x00\x01\x7f", " folded: first", "X-Long: " + "y" * 70_000]
HEADERS += ["Content-Type: \xff; charset=\x00", "Set-Cookie: a=b\x00", "Location: http://[::1", "Link: \u2028"]
HEADERS += ["\r\n".join(f"X-{n}: {n}" for n in range(200))]
VALUES = [
    "null",
    "true",
    "17",
    "-0",
    "1e400",
    "1.5",
    "9" * 4000,
    "9" * 5000,
    "-" + "9" * 4300,
    '""',
    '"\\ud800"',
    '"\\u0000"',
]
VALUES += [
    '"\\udc00\\ud83c"',
    '"' + "x" * 3000 + '"',
    "[]",
    "{}",
    "[" * 99 + "]" * 99,
    "[" * 3000,
    json.dumps(ORDER.customer.name),
]
VALUES += [
    '"\x00"',
    '"\\u202e\\u2066"',
    "NaN",
    "Infinity",
    '{"value": 1e308}',
    "10.0",
    '[{"id": 1e15}]',
    "\xff",
    "1" + "0" * 300,
]
SMTP_REPLIES = [
    b"",
    b"\r\n",
    b"250\r\n",
    b"250-\r\n",
    b"2xx what\r\n",
    b"250 \xff\xfe\x00\r\n",
    b"999 no\r\n",
    b"000 no\r\n",
    b"-50 no\r\n",
]
SMTP_REPLIES += [
    b"354 go on\r\n",
    b"421 closing\r\n",
    b"550 5.1.1 no\r\n",
    b"550-\xf0\x9f\r\n550 more\r\n",
    b"250 " + b"x" * 9000 + b"\r\n",
]
SMTP_REPLIES += [
    b"334 !!!not base64\r\n",
    b"235\r\n",
    b"\x00\x00\x00\x00\r\n",
    b"HTTP/1.1 200 OK\r\n\r\n",
    b"250 ok\r\n250 ok\r\n",
]
SMTP_REPLIES += [
    "²50 ok\r\n".encode(),
    b"250-AUTH \xff\r\n250 AUTH CRAM-MD5 PLAIN LOGIN\r\n",
    b"250 SIZE " + b"9" * 900 + b"\r\n",
    b"25",
]


def documented(kind: type[System], rng: random.Random) -> str:
    """Return a body in which each verb of a system would find what it looks for."""
    key, state = (
        effect_for(kind).key,
        rng.choice(["reserved", "consumed", "settled", "redeemed", "cancelled", "voided"]),
    )
    made = {"key": key, "reference": key, "id": "r-1", "state": state}
    offer = {"kind": rng.choice(["percent", "amount"]), "value": 10, "currency": "EUR"}
    nouns = ("reservation", "consumption", "settlement", "redemption")
    return json.dumps(
        {
            **dict.fromkeys(nouns, made),
            "redemptions": [made],
            "coupon": {"code": ORDER.inputs["coupon"], "state": "active", "discount": offer},
            "member": {
                "ref": ORDER.inputs["member_ref"],
                "benefits": [{"code": ORDER.inputs["benefit"], "remaining": 2, "discount": offer}],
            },
            "error": {"code": "out_of_stock", "message": "None left."},
            "sid": "SM1",
            "status": "queued",
            "code": 21_211,
            "error_code": 30_003,
        }
    )


def spoilt(body: str, rng: random.Random) -> bytes:
    """Replace some of a body's values, or cut and mix its bytes."""
    for _ in range(rng.randrange(4)):
        places = [at for at in range(len(body)) if body.startswith('": ', at)]
        at = rng.choice(places) + 3
        end = min(found for found in (body.find(mark, at) for mark in (", ", "}", "]")) if found >= 0)
        body = body[:at] + rng.choice(VALUES) + body[end:]
        if '": ' not in body:
            break
    raw = body.encode("latin-1", "replace") if rng.random() < 0.2 else body.encode("utf-8", "surrogatepass")
    raw = b"\xef\xbb\xbf" * rng.choice([0, 0, 0, 1, 2]) + raw
    if rng.random() < 0.1:
        return raw[: rng.randrange(len(raw))]
    if rng.random() < 0.1:
        at = rng.randrange(len(raw))
        return raw[:at] + rng.randbytes(3) + raw[at:]
    return raw


def http_bytes(kind: type[System], rng: random.Random) -> bytes:
    version = "HTTP/1.1" if rng.random() < 0.9 else rng.choice(VERSIONS)
    status = rng.choice(STATUSES[:13]) if rng.random() < 0.85 else rng.choice(STATUSES)
    reason = "OK" if rng.random() < 0.8 else rng.choice(REASONS)
    body = spoilt(documented(kind, rng), rng)
    headers = [rng.choice(HEADERS) for _ in range(rng.choice([0, 0, 1, 1, 2, 5]))]
    if rng.random() < 0.8:
        headers.append(f"Content-Length: {len(body)}")
    rng.shuffle(headers)
    head = "\r\n".join([f"{version} {status} {reason}", *headers]).encode("utf-8", "replace")
    if any("chunked" in header for header in headers) and rng.random() < 0.7:
        size = rng.choice([b"%x" % len(body), b"-5", b"f" * 40, b"", b"1_0", b"zz"])
        body = size + b"\r\n" + body + rng.choice([b"\r\n0\r\n\r\n", b"", b"\r\n0\r\n" + b"X: y\r\n" * 50 + b"\r\n"])
    before = rng.choice(
        [b"", b"", b"", b"HTTP/1.1 103 Early Hints\r\nLink: \xff\r\n\r\n", b"\r\n", b"HTTP/1.1 100\r\n\r\n" * 50]
    )
    return before + head + rng.choice([b"\r\n\r\n"] * 8 + [b"\n\n", b""]) + body


def assert_an_outcome(answer: Answer) -> None:
    assert_storable(answer)
    assert answer.exchanges, "the exchange is kept"
    assert answer.retry_after_seconds is None or 0 <= answer.retry_after_seconds < 10**13


@pytest.mark.parametrize("kind", HTTP_KINDS)
def test_whatever_a_system_sends_over_http_each_verb_ends_in_an_outcome(kind: type[System]) -> None:
    rng = random.Random(f"{SEED}{kind.name}")
    sent: list[bytes] = []

    def talk(talk: Talk) -> None:
        talk.read_request()
        talk.say(sent[-1])

    with serving(talk) as server:
        system = make(kind, server.url, **{f"{kind.name.upper()}_TIMEOUT": PATIENCE})
        for verb in verbs_of(kind):
            for _ in range(CASES_EACH):
                sent.append(http_bytes(kind, rng))
                try:
                    end = run(system, verb)
                except Exception as error:  # noqa: BLE001 - the point of it
                    pytest.fail(f"{verb} raised {error!r} over {sent[-1][:3000]!r}")
                assert_an_outcome(end.answer)
                if end.answer.outcome is Outcome.UNKNOWN:
                    assert end.finding in (None, Finding.UNCLEAR)


def test_whatever_a_mail_server_says_a_mail_ends_in_an_outcome() -> None:
    rng = random.Random(SEED)

    def step() -> bytes | Callable[[Talk], None]:
        reply = rng.choice(SMTP_REPLIES) if rng.random() < 0.8 else rng.randbytes(rng.randrange(1, 30)) + b"\r\n"
        return (lambda talk: (talk.say(reply), talk.reset())) if rng.random() < 0.6 else reply

    script = ScriptedSmtp()
    with serving(script.talk) as server:
        for _ in range(200):
            stage = rng.choice(STAGES)
            login = stage == "AUTH" or rng.random() < 0.2
            offers = {"EHLO": b"250-mail.example\r\n250 AUTH CRAM-MD5 LOGIN PLAIN\r\n"} if login else {}
            script.steps = {**offers, stage: step()}
            address = server.url.removeprefix("http://")
            system = email(f"user:a-long-password@{address}" if login else address, timeout="0.2,0.2")
            answer = system.act(MAIL)
            assert_an_outcome(answer)
            if stage not in ("RCPT", "DATA", "TEXT"):  # after these the text may be on its way
                assert answer.outcome is not Outcome.UNKNOWN, (stage, answer)
