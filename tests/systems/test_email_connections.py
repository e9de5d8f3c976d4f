"""E-mail: logging in, encryption, and connections that are always closed."""

from __future__ import annotations

from pathlib import Path

import pytest

from orderapp.domain.outcome import Outcome
from tests.systems.certificates import Certificate
from tests.systems.raw_server import Talk, serving
from tests.systems.scripted_smtp import EFFECT, STAGES, email, ends, send, smtp_serving

LOGIN_OFFERED = b"250-mail.example\r\n250 AUTH PLAIN\r\n"


@pytest.mark.parametrize(
    ("reply", "ended"),
    [
        (b"235 welcome\r\n", (Outcome.DONE, "", True)),
        (b"535 who?\r\n", (Outcome.NOT_SENT, "smtp_login", False)),
        (b"454 come back later\r\n", (Outcome.NOT_SENT, "smtp_454", True)),
    ],
)
def test_a_login_is_used_and_a_refused_one_is_our_mistake(reply: bytes, ended: tuple[Outcome, str, bool]) -> None:
    with smtp_serving({"EHLO": LOGIN_OFFERED, "AUTH": reply}) as (script, address):
        answer = send(f"shop%40example.com:open%2Fsecret@{address}")
    assert ends(answer) == ended
    assert any(line.startswith("AUTH PLAIN ") for line in script.heard)
    assert "open/secret" not in repr(answer)


@pytest.mark.parametrize("login", ["shop:open-secret", "shop:hauptschl%C3%BCssel"])
def test_a_login_that_cannot_be_made_sends_nothing(login: str) -> None:
    offered = LOGIN_OFFERED if "%" in login else b"250 mail.example\r\n"
    with smtp_serving({"EHLO": offered}) as (script, address):
        assert send(f"{login}@{address}").outcome is Outcome.NOT_SENT
    assert script.texts == []


# Encryption


def test_encryption_is_used_where_it_is_offered(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
    with smtp_serving(tls=certificate.server_context()) as (script, address):
        assert send(address).outcome is Outcome.DONE
    assert script.heard[:4] == ["ehlo example.com", "STARTTLS", "(encrypted)", "ehlo example.com"]


def test_a_server_that_nobody_vouches_for_gets_no_mail(certificate: Certificate) -> None:
    with smtp_serving(tls=certificate.server_context()) as (script, address):
        assert ends(send(address)) == (Outcome.NOT_SENT, "not_connected", False)
    assert script.heard == ["ehlo example.com", "STARTTLS"]


def test_encryption_that_is_offered_and_then_refused_means_later() -> None:
    offered = b"250-mail.example\r\n250 STARTTLS\r\n"
    with smtp_serving({"EHLO": offered, "STARTTLS": b"454 not now\r\n"}) as (script, address):
        assert ends(send(address)) == (Outcome.NOT_SENT, "smtp_454", True)
    assert script.texts == []


def test_over_smtps_everything_is_encrypted(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    with smtp_serving() as (script, _):
        pass

    def talk(talk: Talk) -> None:
        talk.wrap(certificate.server_context())
        script.talk(talk)

    with serving(talk) as server:
        address = f"127.0.0.1:{server.port}"
        assert ends(send(address, "smtps")) == (Outcome.NOT_SENT, "not_connected", False)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
        assert send(address, "smtps").outcome is Outcome.DONE
    assert len(script.texts) == 1


@pytest.mark.parametrize("stage", STAGES)
def test_no_connection_is_left_open_whatever_the_server_says(stage: str, tmp_path: Path) -> None:
    ended: list[bytes] = []

    def waits_for_the_end(talk: Talk) -> None:
        talk.say(b"554 never\r\n")
        while received := talk.connection.recv(65_536):
            if b"elo " in received.lower():
                talk.say(b"554 never\r\n")
        ended.append(received)

    steps = {stage: waits_for_the_end}
    if stage in ("AUTH", "STARTTLS"):
        steps["EHLO"] = LOGIN_OFFERED.replace(b"AUTH", stage.encode())  # type: ignore[assignment]
    if stage == "HELO":
        steps["EHLO"] = b"502 what?\r\n"  # type: ignore[assignment]
    with smtp_serving(steps) as (_, address):
        system = email(f"shop:open-secret@{address}" if stage == "AUTH" else address)
        assert system.act(EFFECT).outcome is not Outcome.DONE
    assert ended == [b""]
