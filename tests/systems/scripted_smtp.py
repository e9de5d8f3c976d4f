"""A mail server that follows a script: what it says, and where it cuts, drips or stalls; and one mail to it."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from orderapp.domain.outcome import Answer, Outcome
from orderapp.systems.email import Email
from tests.systems.making import effect_for, make
from tests.systems.raw_server import Talk, serving

STAGES = ("CONNECT", "EHLO", "HELO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "TEXT")
GOOD = {
    "CONNECT": b"220 mail.example ESMTP\r\n",
    "EHLO": b"250-mail.example\r\n250 8BITMIME\r\n",
    "HELO": b"250 mail.example\r\n",
    "STARTTLS": b"220 go ahead\r\n",
    "AUTH": b"235 welcome\r\n",
    "DATA": b"354 go ahead\r\n",
}
Step = bytes | Callable[[Talk], None]


@dataclass
class ScriptedSmtp:
    """What a server says at each stage instead of what it should; `heard` and `texts` are what it was told."""

    steps: Mapping[str, Step] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None
    heard: list[str] = field(default_factory=list)
    texts: list[bytes] = field(default_factory=list)

    def talk(self, talk: Talk) -> None:
        """Hold one conversation."""
        self._step(talk, "CONNECT")
        while True:
            line = talk.read_until(b"\r\n").decode().strip()
            self.heard.append(line)
            stage = line.partition(" ")[0].upper()
            self._step(talk, stage)
            if stage == "STARTTLS" and self.tls is not None:
                talk.wrap(self.tls)
                self.heard.append("(encrypted)")
                self.tls = None
            if stage == "DATA" and "DATA" not in self.steps:
                self.texts.append(talk.read_until(b"\r\n.\r\n"))
                self._step(talk, "TEXT")

    def _step(self, talk: Talk, stage: str) -> None:
        step = self.steps.get(stage, GOOD.get(stage, b"250 fine\r\n"))
        if stage == "EHLO" and self.tls is not None:
            step = b"250-mail.example\r\n250 STARTTLS\r\n"
        if callable(step):
            step(talk)
        else:
            talk.say(step)


@contextmanager
def smtp_serving(
    steps: Mapping[str, Step] | None = None, tls: ssl.SSLContext | None = None
) -> Iterator[tuple[ScriptedSmtp, str]]:
    """Run a scripted server inside the block; gives it and its host and port."""
    script = ScriptedSmtp(steps or {}, tls)
    with serving(script.talk) as server:
        yield script, server.url.removeprefix("http://")


PATIENT, IMPATIENT = "3,5", "0.2,0.4"
SLACK_SECONDS = 0.5
EFFECT = effect_for(Email)


def email(address: str, scheme: str = "smtp", timeout: str = PATIENT) -> Email:
    return make(Email, SMTP_URL=f"{scheme}://{address}", SMTP_TIMEOUT=timeout)


def send(address: str, scheme: str = "smtp", timeout: str = PATIENT) -> Answer:
    """Send one mail, within its total time."""
    system = email(address, scheme, timeout)
    started = time.monotonic()
    answer = system.act(EFFECT)
    assert time.monotonic() - started < system.call_seconds + SLACK_SECONDS
    return answer


def ends(answer: Answer) -> tuple[Outcome, str, bool]:
    return answer.outcome, answer.code, answer.repeatable
