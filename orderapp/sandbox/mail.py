"""E-mail: a mail server that accepts everything, keeps it for people to see, and can misbehave."""

from __future__ import annotations

import asyncio
import email
from email.errors import MessageError
from email.message import EmailMessage
from email.policy import default as modern
from typing import Any
from weakref import WeakSet

from aiosmtpd.smtp import SMTP, AuthResult

from orderapp.sandbox.faults import DO, MAIL_FAULTS, Fault, FaultBoard
from orderapp.sandbox.ledger import Effect, record_do
from orderapp.sandbox.stand_in import Section, StandIn
from orderapp.sandbox.store import Store, now_text

NAME = "email"
LARGEST_MESSAGE = 1_000_000  # bytes: a hundred times what the order service sends
UNREADABLE = (MessageError, ValueError, LookupError, TypeError, AttributeError)  # the parser's ways to give up
LONGEST_SHOWN = 20_000  # characters of a text that are kept

SECTION = Section(
    "mails",
    "E-mail",
    ("From", "To", "Subject", "Text", "Message-ID", "Times received", "Received"),
    "SELECT sender, recipients, subject, body, message_id,"
    " count(*) OVER (PARTITION BY message_id) AS times, received_at"
    " FROM mails ORDER BY id DESC LIMIT ?",
)


def mail_stand_in() -> StandIn:
    """Return the mail server's place in the sandbox; its calls come by SMTP."""
    return StandIn(NAME, "E-mail", (SECTION,), faults=MAIL_FAULTS)


class MailServer:
    """Makes the protocol of each connection; the fault it gets is drawn when it is opened."""

    def __init__(self, store: Store, board: FaultBoard) -> None:
        self._store = store
        self._board = board
        self._conversations: WeakSet[Any] = WeakSet()

    def protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol for a connection that is just being opened."""
        fault = self._board.draw(NAME, DO) or Fault()
        if fault.name == "down":
            return _Closed()
        protocol: asyncio.BaseProtocol = SMTP(
            _Conversation(self._store, fault),
            data_size_limit=LARGEST_MESSAGE,
            enable_SMTPUTF8=True,
            hostname="sandbox.invalid",
            ident="Sandbox",
            authenticator=lambda *_: AuthResult(success=True),  # any login is accepted: there is nothing to protect
            auth_require_tls=False,
        )
        self._conversations.add(protocol)
        return protocol

    def cut_connections(self) -> None:
        """Cut every conversation immediately."""
        for conversation in list(self._conversations):
            if conversation.transport is not None:
                conversation.transport.abort()


class _Closed(asyncio.Protocol):
    """Turns the caller away instead of greeting."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.WriteTransport):
            transport.write(b"421 4.3.2 The sandbox was told to be down\r\n")
        transport.close()


class _Conversation:
    """What the mail server says to recipients and messages."""

    def __init__(self, store: Store, fault: Fault) -> None:
        self._store = store
        self._fault = fault

    async def handle_RCPT(  # noqa: N802 - named by aiosmtpd
        self, _server: Any, _session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        """Accept or refuse a recipient."""
        if self._fault.name == "refuses":
            return "550 5.1.1 The sandbox was told to refuse"
        if self._fault.name == "later":
            return "451 4.3.0 The sandbox was told to be busy"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - named by aiosmtpd
        """Accept or refuse a message."""
        if self._fault.name != "cut_before":
            await asyncio.to_thread(self._keep, envelope)
        if self._fault.name in {"cut_before", "error_after"}:
            server.transport.abort()
        if self._fault.name == "slow":
            await asyncio.sleep(self._fault.seconds or 0)
        return "250 2.0.0 OK"

    def _keep(self, envelope: Any) -> None:
        message_id, subject, body = _read(envelope.content)
        recipients = ", ".join(envelope.rcpt_tos)
        with self._store.write() as tx:
            tx.execute(
                "INSERT INTO mails (message_id, sender, recipients, subject, body, received_at)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (message_id, envelope.mail_from, recipients, subject, body, now_text()),
            )
            record_do(tx, Effect(NAME, message_id, "", {"to": envelope.rcpt_tos, "subject": subject}))


def _read(content: bytes) -> tuple[str, str, str]:
    """Return Message-ID, subject and text of a message; a message that can't be read is kept as it is."""
    try:
        message = email.message_from_bytes(content, _class=EmailMessage, policy=modern)
        part = message.get_body(("plain", "html"))
        body = part.get_content() if part is not None else ""
        found = (message.get("Message-ID", ""), message.get("Subject", ""), body)
    except UNREADABLE:
        found = ("", "(unreadable)", content.decode("utf-8", "replace"))
    message_id, subject, text = (str(value).encode("utf-8", "replace").decode()[:LONGEST_SHOWN] for value in found)
    return message_id.strip(), subject, text
