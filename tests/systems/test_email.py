"""E-mail over real sockets: what each reply means, at each stage, and what a mail looks like on its way."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from dataclasses import replace

import pytest

from orderapp.domain.orders import Customer, Effect
from orderapp.domain.outcome import Outcome
from orderapp.domain.references import page_reference
from orderapp.errors import ConfigurationError
from orderapp.systems.email import Email
from tests.servers.smtp import SmtpServer
from tests.systems.making import CUSTOMER, ORDER, effect_for, make
from tests.systems.raw_server import Talk
from tests.systems.scripted_smtp import EFFECT, IMPATIENT, email, ends, send, smtp_serving

BEFORE_THE_TEXT = ("CONNECT", "EHLO", "MAIL", "RCPT", "DATA")


def test_a_mail_that_the_server_takes_is_sent() -> None:
    with smtp_serving() as (script, address):
        assert ends(send(address)) == (Outcome.DONE, "", True)
    assert script.heard == [
        "ehlo example.com",
        "mail FROM:<shop@example.com>",
        "rcpt TO:<zoe+shop@example.com>",
        "data",
    ]


def test_the_mail_says_what_was_ordered(smtp_server: SmtpServer) -> None:
    smtp_server.clear()
    assert make(Email, SMTP_URL=smtp_server.url).act(EFFECT).outcome is Outcome.DONE
    (mail,) = smtp_server.wait_for(1)
    message = mail.message
    assert (mail.sender, mail.recipients) == ("shop@example.com", ("zoe+shop@example.com",))
    assert message["From"] == "Shop <shop@example.com>"
    assert message["To"] == "zoe+shop@example.com"
    assert message["Subject"] == "Your order 7K3M9-QXZ2F is confirmed"
    assert message["Message-ID"] == "<7K3M9-QXZ2F.1.email@example.com>"
    assert message["Date"].datetime.tzinfo is not None
    lines = [line.strip() for line in message.get_content().splitlines()]
    assert lines[0] == "Hello Zoë O'Neill,"
    assert {"2 x Green tea, 100 g: €25.00", "Discount SAVE10: -€7.00", "Total: €63.00"} <= set(lines)


SHOP = {"PUBLIC_URL": "https://shop.example/tea/", "SECRET_KEY": "a secret for tests alone, and long enough"}


@pytest.mark.parametrize(
    ("settings", "in_shop", "linked"),
    [
        (SHOP, True, True),
        (SHOP, False, False),
        (SHOP | {"PUBLIC_URL": ""}, True, False),
        (SHOP | {"SECRET_KEY": ""}, True, False),
    ],
)
def test_the_mail_leads_to_the_order_s_page_where_there_is_one_and_promises_no_further_mail(
    smtp_server: SmtpServer, settings: dict[str, str], in_shop: bool, linked: bool
) -> None:
    smtp_server.clear()
    effect = replace(EFFECT, order=replace(ORDER, in_shop=in_shop))
    answer = make(Email, SMTP_URL=smtp_server.url, **settings).act(effect)
    assert answer.outcome is Outcome.DONE
    (mail,) = smtp_server.wait_for(1)
    text = mail.message.get_content()
    page = f"https://shop.example/tea/orders/{page_reference(SHOP['SECRET_KEY'], ORDER.number)}"
    assert (page in text.splitlines()) is linked
    assert ("http" in text) is linked
    assert "on its way" not in text
    assert page not in str(answer.exchanges)


@pytest.mark.parametrize("name", ["Ada", "Zoë", "茶" * 80])
def test_a_mail_travels_in_seven_bits_with_the_line_ends_of_smtp(name: str) -> None:
    order = replace(ORDER, customer=replace(CUSTOMER, name=name), lines=ORDER.lines * 30)
    with smtp_serving() as (script, address):
        assert email(address).act(Effect(EFFECT.key, order)).outcome is Outcome.DONE
    (text,) = script.texts
    assert text.isascii()
    assert text.count(b"\n") == text.count(b"\r\n") == text.count(b"\r")
    assert max(map(len, text.split(b"\r\n"))) <= 998  # RFC 5321, 4.5.3.1.6, without its line end


def test_a_line_that_begins_with_a_dot_does_not_end_the_mail() -> None:
    order = replace(ORDER, customer=replace(CUSTOMER, name="Zoë\r\n.\r\nMAIL FROM:<evil@example.com>\r\n."))
    with smtp_serving() as (script, address):
        assert email(address).act(Effect(EFFECT.key, order)).outcome is Outcome.DONE
    assert len(script.texts) == 1
    assert len(script.heard) == 4


def test_a_repeat_carries_the_same_message_id_and_another_placement_another_one() -> None:
    with smtp_serving() as (script, address):
        for placement_number in (1, 1, 2):
            assert email(address).act(effect_for(Email, placement_number)).outcome is Outcome.DONE
    first, repeated, other = (re.findall(rb"(?m)^Message-ID: (.*)\r$", text) for text in script.texts)
    assert first == repeated == [b"<7K3M9-QXZ2F.1.email@example.com>"]
    assert other == [b"<7K3M9-QXZ2F.2.email@example.com>"]


@pytest.mark.parametrize("stage", [*BEFORE_THE_TEXT, "TEXT"])
@pytest.mark.parametrize(
    ("reply", "outcome", "repeatable"),
    [
        (b"421 come back later\r\n", Outcome.NOT_SENT, True),
        (b"451-come\r\n451 back later\r\n", Outcome.NOT_SENT, True),
        (b"550 never\r\n", Outcome.REFUSED, False),
        (b"554-ne\xff\r\n554 ver\r\n", Outcome.REFUSED, False),
    ],
)
def test_replies_of_4xx_mean_later_and_of_5xx_never_at_every_stage(
    stage: str, reply: bytes, outcome: Outcome, repeatable: bool
) -> None:
    steps = {stage: reply, **({"HELO": reply} if stage == "EHLO" else {})}
    with smtp_serving(steps) as (script, address):
        answer = send(address)
    assert ends(answer) == (outcome, f"smtp_{reply[:3].decode()}", repeatable)
    assert reply[:3].decode() in answer.message
    assert len(script.texts) == (stage == "TEXT")


@pytest.mark.parametrize("stage", BEFORE_THE_TEXT)
@pytest.mark.parametrize(
    "step",
    [
        lambda talk: talk.connection.close(),
        lambda talk: talk.reset(),
        b"hello?\r\n",
        b"\r\n",
        b"\x00\xff\r\n",
        b"199 odd\r\n",
        b"999 odd\r\n",
        b"-12 odd\r\n",
    ],
)
def test_before_the_text_is_sent_nothing_has_happened(stage: str, step: bytes | Callable[[Talk], None]) -> None:
    with smtp_serving({stage: step, **({"HELO": step} if stage == "EHLO" else {})}) as (script, address):
        answer = send(address)
    if stage == "DATA" and callable(step):
        assert answer.outcome is Outcome.UNKNOWN  # cautious: whether it was before is for smtplib to know
    else:
        assert (answer.outcome, answer.repeatable) == (Outcome.NOT_SENT, True)
    assert script.texts == []


@pytest.mark.parametrize(
    "step",
    [
        lambda talk: talk.connection.close(),
        lambda talk: talk.reset(),
        b"hello?\r\n",
        b"\r\n",
        b"199 odd\r\n",
        b"354 go on\r\n",
        b"999 odd\r\n",
        b"-12 odd\r\n",
        b"2" * 10_000 + b"\r\n",
    ],
)
def test_once_the_text_is_sent_only_a_proper_reply_tells_what_came_of_it(step: bytes | Callable[[Talk], None]) -> None:
    with smtp_serving({"TEXT": step}) as (script, address):
        answer = send(address)
    assert (answer.outcome, answer.repeatable) == (Outcome.UNKNOWN, True)
    assert len(script.texts) == 1


@pytest.mark.parametrize("stage", [*BEFORE_THE_TEXT, "TEXT"])
@pytest.mark.parametrize("step", [lambda talk: talk.stall(), lambda talk: talk.drip(b"250-more\r\n")])
def test_however_slowly_the_server_replies_the_call_ends_in_its_time(stage: str, step: Callable[[Talk], None]) -> None:
    with smtp_serving({stage: step}) as (_, address):
        outcome = send(address, timeout=IMPATIENT).outcome
    assert outcome is (Outcome.UNKNOWN if stage in ("DATA", "TEXT") else Outcome.NOT_SENT)


def test_a_server_that_takes_no_connection_got_nothing(free_port: int) -> None:
    assert ends(send(f"127.0.0.1:{free_port}")) == (Outcome.NOT_SENT, "not_connected", True)


def test_a_name_that_nobody_knows_is_proof_that_nothing_was_sent() -> None:
    assert ends(send("no-such-host.invalid:465", "smtps")) == (Outcome.NOT_SENT, "not_connected", False)


def test_an_old_server_is_greeted_the_old_way() -> None:
    with smtp_serving({"EHLO": b"502 what?\r\n"}) as (script, address):
        assert send(address).outcome is Outcome.DONE
    assert script.heard[:2] == ["ehlo example.com", "helo example.com"]


def test_greeting_a_server_asks_nobody_for_this_hosts_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_answer(*_: object) -> str:
        raise AssertionError("looking up this host's own name may take longer than the call")

    monkeypatch.setattr(socket, "getfqdn", no_answer)
    with smtp_serving() as (_, address):
        assert send(address).outcome is Outcome.DONE


# What must not get into a mail


@pytest.mark.parametrize(
    "address",
    ["a@b.c\r\nBcc: x@y.z", "a@b.c\nX: y", "\ud800@b.c"],
)
def test_an_address_with_a_line_break_is_never_written(address: str) -> None:
    effect = Effect(EFFECT.key, replace(ORDER, customer=Customer("Ada", address)))
    with smtp_serving() as (script, server):
        answer = email(server).act(effect)
        assert ends(answer) == (Outcome.NOT_SENT, "bad_mail", False)
    assert script.heard == []
    answer.message.encode()


def test_a_name_with_a_line_break_adds_no_header(smtp_server: SmtpServer) -> None:
    smtp_server.clear()
    order = replace(ORDER, customer=replace(CUSTOMER, name="Ada\r\nBcc: x@y.z\r\n\r\nBuy!"))
    assert make(Email, SMTP_URL=smtp_server.url).act(Effect(EFFECT.key, order)).outcome is Outcome.DONE
    (mail,) = smtp_server.wait_for(1)
    assert mail.recipients == (CUSTOMER.email,)
    assert mail.message["Bcc"] is None


@pytest.mark.parametrize("code", [200, 250, 251, 299])
def test_any_code_that_says_done_lets_the_mail_go_on(code: int) -> None:
    with smtp_serving({"RCPT": b"%d fine\r\n" % code}) as (script, address):
        assert send(address).outcome is Outcome.DONE


def test_nothing_private_is_kept_of_a_mail() -> None:
    told = f"550 <{CUSTOMER.email}>: {CUSTOMER.name} is unknown here\r\n".encode()
    with smtp_serving({"RCPT": told}) as (_, address):
        answer = send(address)
    (exchange,) = answer.exchanges
    kept = f"{answer.message} {exchange.request} {exchange.response}"
    assert CUSTOMER.email not in kept
    assert CUSTOMER.name not in kept
    assert "<7K3M9-QXZ2F.1.email@example.com>" in exchange.request


# Settings


@pytest.mark.parametrize("sender", ["shop", "@example.com", "shop@", "Shop <shop>"])
def test_a_sender_that_is_no_address_is_refused_at_the_start(sender: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^MAIL_FROM: "):
        make(Email, MAIL_FROM=sender)


def test_it_is_configured_only_with_a_server_and_a_sender() -> None:
    assert make(Email, SMTP_URL="smtps://mail.example").configured
    assert not make(Email).configured
    with pytest.raises(ConfigurationError, match=r"^MAIL_FROM: not set"):
        make(Email, SMTP_URL="smtps://mail.example", MAIL_FROM="")


def test_the_check_connects_and_sends_nothing(free_port: int) -> None:
    with smtp_serving() as (script, address):
        assert email(address).check().outcome is Outcome.DONE
    assert {line.partition(" ")[0] for line in script.heard} <= {"ehlo", "noop", "QUIT", "quit"}
    assert email(f"127.0.0.1:{free_port}").check().outcome is Outcome.NOT_SENT
