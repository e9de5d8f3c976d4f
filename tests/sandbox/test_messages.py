"""Text messages as Twilio takes them, and e-mail over SMTP."""

from __future__ import annotations

import smtplib
from collections.abc import Callable
from email.message import EmailMessage

import pytest
import requests

from orderapp.sandbox.environment import ACCOUNT_SID, AUTH_TOKEN
from tests.sandbox.running import RunningSandbox
from tests.servers.loopback import poll_until

FORM = {"To": "+4930123456", "From": "+15005550006", "Body": "Your order is confirmed."}


def send_text(
    sandbox: RunningSandbox,
    login: tuple[str, str] | None = (ACCOUNT_SID, AUTH_TOKEN),
    sid: str = ACCOUNT_SID,
    **form: str,
) -> requests.Response:
    url = f"{sandbox.url('sms')}/2010-04-01/Accounts/{sid}/Messages.json"
    return requests.post(url, data={**FORM, **form}, auth=login, timeout=5)


def texts_with(sandbox: RunningSandbox, body: str) -> int:
    return sum(row["body"] == body for row in sandbox.rows("texts"))


def test_a_text_message_is_taken(sandbox, new_name):
    body = new_name()
    answer = send_text(sandbox, Body=body)
    assert answer.status_code == 201
    assert answer.json()["sid"].startswith("SM")
    assert answer.json()["status"] == "queued"
    assert texts_with(sandbox, body) == 1


def test_the_same_text_message_again_is_another_one(sandbox, new_name):
    body = new_name()
    assert send_text(sandbox, Body=body).json()["sid"] != send_text(sandbox, Body=body).json()["sid"]
    assert texts_with(sandbox, body) == 2


@pytest.mark.parametrize(
    ("form", "twilio_code"),
    [
        ({"To": "12345"}, 21211),
        ({"To": "+49 30 123456"}, 21211),
        ({"To": ""}, 21604),
        ({"From": "nobody@x"}, 21212),
        ({"From": ""}, 21603),
        ({"Body": " "}, 21602),
        ({"Body": "x" * 1601}, 21617),
    ],
)
def test_what_twilio_does_not_take_is_refused_in_its_words(sandbox, form, twilio_code):
    answer = send_text(sandbox, **form)
    assert answer.status_code == 400
    assert (answer.json()["code"], answer.json()["status"]) == (twilio_code, 400)
    assert answer.json()["message"]


@pytest.mark.parametrize("login", [None, (ACCOUNT_SID, "wrong"), ("AC1", AUTH_TOKEN)])
def test_a_wrong_login_is_refused(sandbox, login):
    answer = send_text(sandbox, login)
    assert (answer.status_code, answer.json()["code"]) == (401, 20003)


def test_another_account_or_address_is_refused_in_twilios_words(sandbox):
    assert send_text(sandbox, sid="AC1").status_code == 401
    answer = requests.get(f"{sandbox.url('sms')}/2010-04-01/Accounts/{ACCOUNT_SID}.json", timeout=5)
    assert (answer.status_code, answer.json()["code"]) == (404, 20404)


def test_busy_and_refusing_are_told_in_twilios_words(sandbox):
    sandbox.fault("sms", "rate_limited", seconds=7)
    busy = send_text(sandbox)
    assert (busy.status_code, busy.headers["Retry-After"], busy.json()["code"]) == (429, "7", 20429)
    sandbox.fault("sms", "refuses")
    refused = send_text(sandbox)
    assert (refused.status_code, refused.json()["code"]) == (400, 21610)


@pytest.fixture
def send_mail(sandbox) -> Callable[[str], None]:
    """Sends a mail with this Message-ID; raises what smtplib raises."""

    def send(message_id: str) -> None:
        message = EmailMessage()
        message["From"], message["To"] = "shop@example.com", "ada@example.com"
        message["Subject"], message["Message-ID"] = "Bestätigt", message_id
        message.set_content("Grüße\n")
        with smtplib.SMTP("127.0.0.1", sandbox.smtp_port, timeout=5) as client:
            client.send_message(message)

    return send


def mails_with(sandbox: RunningSandbox, message_id: str) -> list[dict[str, object]]:
    return [row for row in sandbox.rows("mails") if row["message_id"] == message_id]


def test_a_mail_is_taken_and_can_be_read(sandbox, new_name, send_mail):
    message_id = f"<{new_name()}@example.com>"
    send_mail(message_id)
    (mail,) = mails_with(sandbox, message_id)
    assert (mail["sender"], mail["recipients"]) == ("shop@example.com", "ada@example.com")
    assert (mail["subject"], str(mail["body"]).strip()) == ("Bestätigt", "Grüße")


def test_a_repeated_mail_is_recognised_by_its_message_id(sandbox, new_name, send_mail):
    message_id = f"<{new_name()}@example.com>"
    send_mail(message_id)
    send_mail(message_id)
    assert [mail["times"] for mail in mails_with(sandbox, message_id)] == [2, 2]
    assert [row["net"] for row in sandbox.ledger(system="email")["net"] if row["reference"] == message_id] == [2]


def test_a_login_is_taken(sandbox):
    with smtplib.SMTP("127.0.0.1", sandbox.smtp_port, timeout=5) as client:
        assert client.login("anybody", "anything")[0] == 235


def test_a_message_that_cannot_be_parsed_is_kept_as_it_is(sandbox, new_name):
    word = new_name()
    with smtplib.SMTP("127.0.0.1", sandbox.smtp_port, timeout=5) as client:
        content = f"Content-Type: text/plain; charset=no-such\r\n\r\n{word}\xff".encode("latin-1")
        client.sendmail("a@example.com", ["b@example.com"], content)
    assert any(word in row["body"] for row in sandbox.rows("mails"))


@pytest.mark.parametrize(
    ("fault", "error", "reply", "taken"),
    [
        ("down", smtplib.SMTPConnectError, 421, 0),
        ("refuses", smtplib.SMTPRecipientsRefused, 550, 0),
        ("later", smtplib.SMTPRecipientsRefused, 451, 0),
        ("cut_before", smtplib.SMTPServerDisconnected, None, 0),
        ("error_after", smtplib.SMTPServerDisconnected, None, 1),
    ],
)
def test_a_mail_server_that_misbehaves(sandbox, new_name, send_mail, fault, error, reply, taken):
    message_id = f"<{new_name()}@example.com>"
    sandbox.fault("email", fault)
    with pytest.raises(error) as raised:
        send_mail(message_id)
    if error is smtplib.SMTPConnectError:
        assert raised.value.smtp_code == reply
    elif error is smtplib.SMTPRecipientsRefused:
        assert {refused[0] for refused in raised.value.recipients.values()} == {reply}
    sandbox.clear_faults()
    assert len(mails_with(sandbox, message_id)) == taken


def test_a_slow_mail_server_takes_the_mail_and_answers_too_late(sandbox, new_name, send_mail):
    message_id = f"<{new_name()}@example.com>"
    sandbox.fault("email", "slow", seconds=0.3)
    send_mail(message_id)
    assert poll_until(lambda: len(mails_with(sandbox, message_id)) == 1, within_seconds=5)
