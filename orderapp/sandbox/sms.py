"""SMS: Twilio's Messages API, as far as the contract uses it."""

from __future__ import annotations

import hmac
import re
import secrets
from datetime import UTC, datetime
from email.utils import format_datetime

from flask import Blueprint, Response, request

from orderapp.sandbox.answers import Json, Problem, json_answer
from orderapp.sandbox.ledger import Effect, record_do
from orderapp.sandbox.stand_in import Section, StandIn
from orderapp.sandbox.store import Store, now_text

NAME = "sms"
E164 = re.compile(r"\+[1-9][0-9]{6,14}")
SENDER = re.compile(r"\+[1-9][0-9]{6,14}|(?=.*[A-Za-z])[A-Za-z0-9 ]{1,11}")  # a number, or an alphanumeric sender
LONGEST_BODY = 1600  # Twilio's own limit
TWILIO_CODES = {401: 20003, 404: 20404, 429: 20429, 500: 20500, 503: 20503}
UNSUBSCRIBED = Problem(400, "refused_by_sandbox", "Attempt to send to unsubscribed recipient", twilio_code=21610)

SECTION = Section(
    "texts",
    "Text messages",
    ("SID", "From", "To", "Text", "Received"),
    "SELECT sid, sender, recipient, body, received_at FROM text_messages ORDER BY rowid DESC LIMIT ?",
)


class SmsStandIn:
    """The only call of the SMS system. Without a configured account it accepts any, if address and login agree."""

    def __init__(self, store: Store, account_sid: str, auth_token: str) -> None:
        self._store = store
        self._account_sid = account_sid
        self._auth_token = auth_token

    def stand_in(self) -> StandIn:
        """Return the system's place in the sandbox."""
        blueprint = Blueprint(NAME, __name__, url_prefix=f"/{NAME}")
        blueprint.post("/2010-04-01/Accounts/<account_sid>/Messages.json")(self.send)
        return StandIn(NAME, "SMS", (SECTION,), blueprint, error_body=twilio_error_body, refusal=UNSUBSCRIBED)

    def send(self, account_sid: str) -> Response:
        """Accept a text message; a repeat is a second message."""
        self._check_login(account_sid)
        form = request.form
        recipient = _checked(form.get("To", ""), E164, missing=21604, wrong=21211, what="'To' number")
        sender = _checked(form.get("From", ""), SENDER, missing=21603, wrong=21212, what="'From' number")
        body = form.get("Body", "")
        if not body.strip():
            raise _bad(21602, "Message body is required.")
        if len(body) > LONGEST_BODY:
            raise _bad(21617, f"The concatenated message body exceeds the {LONGEST_BODY} character limit.")
        sid = "SM" + secrets.token_hex(16)
        with self._store.write() as tx:
            tx.execute(
                "INSERT INTO text_messages (sid, sender, recipient, body, received_at) VALUES (?, ?, ?, ?, ?)",
                (sid, sender, recipient, body, now_text()),
            )
            record_do(tx, Effect(NAME, sid, "", {"to": recipient, "body": body}))
        return json_answer(201, _message(account_sid, sid, {"from": sender, "to": recipient, "body": body}))

    def _check_login(self, account_sid: str) -> None:
        login = request.authorization
        if login is None or login.type != "basic":
            raise Problem(401, "unauthorized", "Authenticate")
        expected = (self._account_sid or account_sid, self._auth_token or login.password or "")
        given = (login.username or "", login.password or "")
        if account_sid != expected[0] or not all(map(_same, given, expected)):
            raise Problem(401, "unauthorized", "Authenticate")


def twilio_error_body(problem: Problem) -> Json:
    """Return an error in Twilio's format: `{"code", "message", "more_info", "status"}`."""
    code = problem.extra.get("twilio_code") or TWILIO_CODES.get(problem.status, 20001)
    more_info = f"https://www.twilio.com/docs/errors/{code}"
    return {"code": code, "message": problem.message, "more_info": more_info, "status": problem.status}


def _message(account_sid: str, sid: str, said: dict[str, str]) -> Json:
    now = format_datetime(datetime.now(UTC))
    return {
        "account_sid": account_sid,
        "api_version": "2010-04-01",
        "date_created": now,
        "date_sent": None,
        "date_updated": now,
        "direction": "outbound-api",
        "error_code": None,
        "error_message": None,
        "messaging_service_sid": None,
        "num_media": "0",
        "num_segments": "1",
        "price": None,
        "price_unit": "USD",
        "sid": sid,
        "status": "queued",
        "uri": f"/2010-04-01/Accounts/{account_sid}/Messages/{sid}.json",
        **said,
    }


def _checked(value: str, pattern: re.Pattern[str], *, missing: int, wrong: int, what: str) -> str:
    if not value:
        raise _bad(missing, f"A {what} is required.")
    if not pattern.fullmatch(value):
        raise _bad(wrong, f"The {what} is not a valid phone number.")
    return value


def _bad(twilio_code: int, message: str) -> Problem:
    return Problem(400, "invalid_request", message, twilio_code=twilio_code)


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())
