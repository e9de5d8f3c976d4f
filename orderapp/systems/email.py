"""E-mail: sends customers the news of their orders by SMTP. A repeat has the same Message-ID, so it is recognised."""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
import time
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from email import policy
from email.message import EmailMessage
from email.utils import formatdate, parseaddr
from functools import cached_property, partial
from typing import Any, ClassVar, Self
from urllib.parse import unquote, urlsplit

from orderapp.ext import (
    CREDENTIALS,
    SMTP_CODES,
    Answer,
    Backoff,
    ConfigurationError,
    Effect,
    Environment,
    Errand,
    Exchange,
    Guarantee,
    Letters,
    Mail,
    News,
    OrderDocument,
    OrderRequest,
    Outcome,
    Part,
    System,
    backoff_from,
    call_within,
    connect,
    lock_out,
    mask,
    tls_context,
    why_unreachable,
)

# smtplib's own text for a reply that is too long; the server refused nothing.
ENDLESS_LINE = "Line too long."
MAX_MESSAGE_CHARACTERS = 300  # one sentence for staff
# Many servers accept only ASCII addresses, so we allow no others.
SENDER = re.compile(r"[!-;=?A-~]+@(?P<domain>[A-Za-z0-9.\-\[\]:]+)")

Hidden = Callable[[str], str]  # hides private data in a server's text


class _BoundedSmtp(smtplib.SMTP):
    def _get_socket(self, host: str, port: int, timeout: Any) -> socket.socket:
        return connect(host, port, timeout)


class _BoundedSmtps(smtplib.SMTP_SSL, _BoundedSmtp):
    """The same over TLS: SMTP_SSL wraps the socket it gets from the class that comes after it."""


class Email(System):
    """Mails to customers."""

    name: ClassVar[str] = "email"
    title: ClassVar[str] = "E-mail"
    part: ClassVar[Part] = Part.NOTIFY
    errand: ClassVar[Errand] = Errand("send the e-mail")
    guarantee: ClassVar[Guarantee] = Guarantee.IDEMPOTENT
    tells: ClassVar[tuple[News, ...]] = tuple(News)
    setting: ClassVar[str] = "SMTP"

    def __init__(self, env: Environment, backoff: Backoff) -> None:
        # Without TLS from the start, STARTTLS is used wherever the server offers it.
        address = env.address("SMTP", {"smtps": True, "smtp": False}, permits=("login",))
        self._server = urlsplit(address)
        password = unquote(self._server.password or "")
        env.refuse_short_secret("SMTP_URL", password)
        self._secrets = (password, b64encode(password.encode()).decode()) if password else ()
        self._timeouts = env.timeouts("SMTP_TIMEOUT")
        self._sender, self._domain = _sender_in(env)
        self._letters = Letters.from_environment(env)
        if address and not self._sender:
            raise ConfigurationError("MAIL_FROM: not set, and SMTP_URL is; no mail goes without a sender")
        self.configured = bool(address)
        self.call_seconds = self._timeouts.total_seconds
        self.backoff = backoff_from(env, "SMTP", backoff)

    @classmethod
    def from_environment(cls, env: Environment, backoff: Backoff) -> Self:
        """Make the system from its settings; ConfigurationError for a wrong one."""
        return cls(env, backoff)

    def concerns(self, order: OrderRequest | OrderDocument) -> bool:
        """Return whether the order has an e-mail address; one whose customer was erased has none."""
        return bool(order.customer.email)

    def act(self, effect: Effect) -> Answer:
        """Send the mail."""
        order, letter = effect.order, self._letters.letter(effect)
        mail = Mail(effect.key, order.mail_to, letter.subject, letter.text, language=order.language)
        return self._send(mail, self.private_values(order))

    def write(self, mail: Mail) -> Answer:
        """Send a mail that is no effect of an order."""
        return self._send(mail, (mail.recipient,))

    def _send(self, mail: Mail, private: Iterable[str]) -> Answer:
        started = time.monotonic()
        hidden = partial(mask, private=[*private, *self._secrets])
        try:
            message = self._message(mail)
            text = message.as_bytes()
        except ValueError as error:
            # For example a line break in an address, which no header can contain.
            reason = f"the mail can't be written: {hidden(str(error))}"[:MAX_MESSAGE_CHARACTERS]
            return Answer(Outcome.NOT_SENT, "bad_mail", reason, repeatable=False)
        with call_within(self._timeouts.total_seconds):
            answer = self._deliver(mail.recipient, text, hidden)
        # Mask only the server's texts, because a customer's name may be a word in ours.
        exchange = Exchange(
            f"MAIL {message['Message-ID']}\nTo: {hidden(str(message['To']))}\nSubject: {message['Subject']}",
            answer.message or "250 accepted",
            round((time.monotonic() - started) * 1000),
        )
        # Mask before cutting, so that no half of a value stays at the end.
        return replace(answer, message=answer.message[:MAX_MESSAGE_CHARACTERS], exchanges=(exchange,))

    def check(self) -> Answer:
        """Connect and log in."""
        with call_within(self._timeouts.total_seconds):
            try:
                with self._opened() as server:
                    server.noop()
            except Exception as error:  # noqa: BLE001 - whatever a server says, the check has an outcome
                return _not_accepted(error, partial(mask, private=self._secrets))
        return Answer(Outcome.DONE)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """The TLS settings, made once, because reading all authorities takes 50 ms."""
        return tls_context()

    @contextmanager
    def _opened(self) -> Iterator[smtplib.SMTP]:
        """Connect, encrypt if offered, log in if a login is set; close the connection after the block."""
        kind = _BoundedSmtps if self._server.scheme == "smtps" else _BoundedSmtp
        port = self._server.port or (465 if kind is _BoundedSmtps else 25)
        # Greet with the sender's domain, because looking up this host's name could take longer than the whole call.
        tls: dict[str, Any] = {"context": self._tls} if kind is _BoundedSmtps else {}
        host, seconds = self._server.hostname or "", self._timeouts.connect_seconds
        with closing(kind(host, port, self._domain, timeout=seconds, **tls)) as server:
            if server.sock:
                server.sock.settimeout(self._timeouts.read_seconds)
            server.ehlo_or_helo_if_needed()
            if kind is _BoundedSmtp and server.has_extn("starttls"):
                server.starttls(context=self._tls)
                server.ehlo_or_helo_if_needed()
            if self._server.username:
                server.login(unquote(self._server.username), unquote(self._server.password or ""))
            yield server

    def _deliver(self, recipient: str, text: bytes, hidden: Hidden) -> Answer:
        answer: Answer | None = None
        try:
            with self._opened() as server:
                for command, address in ((server.mail, self._sender), (server.rcpt, recipient)):
                    code, reply = command(address)
                    if not 200 <= code < 300:
                        answer = _refused(code, reply, hidden)
                        break
                else:
                    answer = _send_text(server, text, hidden)
        except Exception as error:  # noqa: BLE001 - whatever a server says, the mail has an outcome
            # After an answer, only the closing failed, which changes nothing.
            return answer or _not_accepted(error, hidden)
        return answer

    def _message(self, mail: Mail) -> EmailMessage:
        # SMTP's line endings (servers refuse others) and seven bits (not every server accepts eight).
        message = EmailMessage(policy.SMTP.clone(cte_type="7bit"))
        message["From"] = self._sender
        message["To"] = mail.recipient
        message["Subject"] = mail.subject
        message["Date"] = formatdate(usegmt=True)
        # A colon isn't allowed in a Message-ID (RFC 5322, 3.6.4).
        message["Message-ID"] = f"<{mail.key.replace(':', '.')}@{self._domain}>"
        message["Auto-Submitted"] = "auto-generated"
        message["Content-Language"] = mail.language
        message.set_content(mail.text)
        if mail.html:
            message.add_alternative(mail.html, subtype="html")
        return message


def _sender_in(env: Environment) -> tuple[str, str]:
    """Return MAIL_FROM, which may begin with a name, and its domain; both empty if it isn't set."""
    sender = env.text("MAIL_FROM")
    address = parseaddr(sender)[1]
    found = SENDER.fullmatch(address)
    # Check the whole text: parts that the parser ignores would be in the mail's header.
    if sender and not (found and sender.isprintable() and sender.endswith((address, f"<{address}>"))):
        raise ConfigurationError(f"MAIL_FROM: {sender!r} is not an e-mail address")
    return sender, found["domain"] if found else ""


def _send_text(server: smtplib.SMTP, text: bytes, hidden: Hidden) -> Answer:
    """Send the mail itself; if the connection breaks from here on, the outcome is unknown."""
    try:
        code, reply = server.data(text)
    except smtplib.SMTPDataError as error:
        # The server refused the DATA command, so the text wasn't sent.
        return _refused(error.smtp_code, error.smtp_error, hidden)
    except Exception as error:  # noqa: BLE001 - the same, whatever it is that couldn't be read
        return Answer(Outcome.UNKNOWN, "cut_off", f"broke off after the text was sent ({type(error).__name__})")
    if 200 <= code < 300:
        return Answer(Outcome.DONE)
    if 400 <= code < 600:
        return _refused(code, reply, hidden)
    return Answer(Outcome.UNKNOWN, "unreadable_answer", "answered the text with something that isn't SMTP")


def _refused(code: int, reply: bytes | str, hidden: Hidden) -> Answer:
    """Return the answer by SMTP's rule (RFC 5321, 4.2.1): 4xx later, 5xx never. Anything else isn't SMTP: later."""
    said = f"{code} {hidden(reply.decode('utf-8', 'replace') if isinstance(reply, bytes) else reply)}"
    if code in SMTP_CODES:
        return lock_out(Answer(Outcome.NOT_SENT, "smtp_login"), f"{CREDENTIALS} ({said})")
    if 500 <= code < 600:
        return Answer(Outcome.REFUSED, f"smtp_{code}", said, repeatable=False)
    return Answer(Outcome.NOT_SENT, f"smtp_{code}" if code > 0 else "unreadable_answer", said)


def _not_accepted(error: Exception, hidden: Hidden) -> Answer:
    """Return the answer for a failure before the text was sent: it did not happen."""
    # The server's reply to a login may repeat the login.
    if isinstance(error, smtplib.SMTPAuthenticationError) and error.smtp_code >= 500:
        return lock_out(Answer(Outcome.NOT_SENT, "smtp_login"), f"{CREDENTIALS} ({error.smtp_code})")
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return lock_out(Answer(Outcome.NOT_SENT, "smtp_login"), f"{CREDENTIALS}: it offers no login")
    if why := why_unreachable(error):
        return lock_out(Answer(Outcome.NOT_SENT, "not_connected"), why)
    if isinstance(error, smtplib.SMTPResponseException):
        if error.smtp_error == ENDLESS_LINE:
            return Answer(Outcome.NOT_SENT, "unreadable_answer", "answered with a line without an end")
        return _refused(error.smtp_code, error.smtp_error, hidden)
    return Answer(Outcome.NOT_SENT, "not_connected", f"could not be reached ({type(error).__name__}); nothing was sent")
