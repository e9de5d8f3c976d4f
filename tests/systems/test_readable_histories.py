"""Our own words in a history stay, whatever the customer is called; what a system says of the customer doesn't."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from orderapp.domain.masking import MASK
from orderapp.domain.orders import Customer, Effect
from orderapp.errors import ConfigurationError
from orderapp.systems.email import Email
from orderapp.systems.inventory import Inventory
from orderapp.systems.membership import Membership
from orderapp.systems.sms import Sms
from tests.domain.test_masking import SHORT_NAMES
from tests.systems.conftest import Wire
from tests.systems.making import ORDER, make
from tests.systems.misbehaving_servers import cuts, inventory, stalls
from tests.systems.raw_server import serving
from tests.systems.scripted_smtp import email, smtp_serving

NAMES = [*(name for name in SHORT_NAMES if name.isalpha()), "answered", "Connection", "Confirmed", "Post"]


def effect_of(name: str, system: str = "inventory") -> Effect:
    customer = Customer(name, "ada@example.com", "+4930901820")
    return Effect(f"{ORDER.number}:1:{system}", replace(ORDER, customer=customer))


def test_an_answer_that_did_not_come_is_told_in_our_words() -> None:
    with serving(stalls) as silent, serving(cuts) as cutting:
        for name in NAMES:
            answer = inventory(silent.url, "3,0.05").act(effect_of(name))
            assert answer.message == "gave no answer in time"
            assert answer.exchanges[0].request.startswith("POST /v1/reservations\n")
            assert inventory(cutting.url).act(effect_of(name)).message.startswith("the answer broke off (")


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_is_told_in_our_words_and_what_it_says_of_the_customer_is_hidden(name: str, wire: Wire) -> None:
    wire.answers(409, json.dumps({"error": {"code": "out_of_stock", "message": f"Sorry {name}, 0 left."}}))
    answer = make(Inventory).act(effect_of(name))
    assert answer.message == f"answered 409 out_of_stock: Sorry {MASK}, 0 left."
    assert answer.exchanges[0].response.startswith('409\n{"error": {"code": "out_of_stock", "message": "Sorry [masked]')
    wire.answers(200, "<h1>Welcome</h1>")
    assert make(Inventory).act(effect_of(name)).message == "answered 200 with a body that isn't the documented one"


@pytest.mark.parametrize("name", NAMES)
def test_a_mail_s_history_can_be_read(name: str) -> None:
    replies = {"RCPT": f"550 5.1.1 <{name}> is gone\r\n".encode()}
    with smtp_serving(replies) as (_, address):
        answer = email(address).act(effect_of(name, "email"))
        assert answer.message == f"550 5.1.1 <{MASK}> is gone"
        assert answer.exchanges[0].request.startswith("MAIL <")
        assert answer.exchanges[0].request.endswith(f"Subject: Your order {ORDER.number} is confirmed")


@pytest.mark.parametrize(
    ("kind", "variable"),
    [(Inventory, "INVENTORY_TOKEN"), (Membership, "MEMBERSHIP_TOKEN"), (Sms, "SMS_AUTH_TOKEN"), (Email, "SMTP_URL")],
)
def test_a_secret_too_short_to_be_hidden_is_refused_at_the_start(kind: type, variable: str) -> None:
    for secret in ("x", "1234567"):
        value = f"smtps://shop:{secret}@mail.example" if variable == "SMTP_URL" else secret
        with pytest.raises(ConfigurationError, match=f"^{variable}: .* under 8 characters") as refused:
            make(kind, **{variable: value})
        assert secret not in str(refused.value)
    enough = "smtps://shop:12345678@mail.example" if variable == "SMTP_URL" else "12345678"
    make(kind, **{variable: enough})


def test_a_mail_server_that_repeats_the_password_tells_it_to_nobody() -> None:
    replies = {
        "EHLO": b"250-mail.example\r\n250 AUTH PLAIN LOGIN\r\n",
        "MAIL": b"550 not for open-sesame\r\n",
        "AUTH": b"235 welcome\r\n",
    }
    with smtp_serving(replies) as (_, address):
        assert email(f"shop:open-sesame@{address}").act(effect_of("Ada", "email")).message == f"550 not for {MASK}"
