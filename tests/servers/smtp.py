"""A mail server that keeps its mails, or gives the reply that a test sets."""

import email.policy
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from typing import cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.servers.loopback import HOST, free_port, poll_until


@dataclass(frozen=True)
class ReceivedMail:
    """A mail as it was accepted."""

    sender: str
    recipients: tuple[str, ...]
    message: EmailMessage


class SmtpServer:
    """An SMTP server in a thread. As a context manager it runs inside the block."""

    def __init__(self) -> None:
        self.received: list[ReceivedMail] = []
        #: The reply to the next mails: `250 …` keeps them, anything else (`451 later`, `554 never`) does not.
        self.reply = "250 kept"
        self._controller = Controller(self, hostname=HOST, port=free_port())

    def __enter__(self) -> "SmtpServer":
        self._controller.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._controller.stop()

    @property
    def url(self) -> str:
        """The server's address as `SMTP_URL` has it."""
        return f"smtp://{HOST}:{self._controller.port}"

    def clear(self) -> None:
        """Forget the mails and accept the next ones."""
        self.received.clear()
        self.reply = "250 kept"

    def wait_for(self, count: int, *, within_seconds: float = 10) -> list[ReceivedMail]:
        """Wait until at least `count` mails were kept and return all. Raises TimeoutError where they don't come."""
        if not poll_until(lambda: len(self.received) >= count, within_seconds=within_seconds):
            raise TimeoutError(f"{len(self.received)} of {count} mails came within {within_seconds} s")
        return list(self.received)

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        """Take one mail (called by aiosmtpd) and return the reply."""
        if self.reply.startswith("250"):
            message = message_from_bytes(cast(bytes, envelope.content), policy=email.policy.default)
            recipients = tuple(map(str, envelope.rcpt_tos))
            self.received.append(ReceivedMail(str(envelope.mail_from), recipients, message))
        return self.reply
