"""A subscriber on a port of its own: it keeps what it gets, and answers as a test tells it to."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

from tests.systems.raw_server import Talk, http_answer, serving


@dataclass(frozen=True)
class Got:
    """A request as it came."""

    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> Any:
        return json.loads(self.body)

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def is_signed_by(self, secret: str) -> bool:
        try:
            Webhook(secret).verify(self.body, self.headers)
        except WebhookVerificationError:
            return False
        return True


class Receiver:
    """Its next answers are those in `answers`; else 200."""

    def __init__(self) -> None:
        self.got: list[Got] = []
        self.answers: deque[bytes] = deque()
        self.before: Callable[[], object] = lambda: None
        self.url = ""

    def fails(self, times: int = 1, status: str = "503 Later") -> None:
        self.answers.extend(times * [http_answer(b"not now", status)])

    @property
    def types(self) -> list[str]:
        return [one.event["type"] for one in self.got]

    def __call__(self, talk: Talk) -> None:
        while True:
            head, _, body = talk.read_request().partition(b"\r\n\r\n")
            lines = (line.partition(":") for line in head.decode().split("\r\n")[1:])
            self.got.append(Got({name.lower(): value.strip() for name, _, value in lines}, body))
            self.before()
            talk.say(self.answers.popleft() if self.answers else http_answer(b"thanks"))


@contextmanager
def receiving() -> Any:
    """Run one inside the block."""
    receiver = Receiver()
    with serving(receiver) as server:
        receiver.url = f"{server.url}/hooks"
        yield receiver
