"""Checks the content of a call: anything against the contract is answered 400 (415 for a wrong type of body)."""

from __future__ import annotations

import re
from typing import Any

from flask import request

from orderapp import strict_json
from orderapp.sandbox.answers import Json, Problem

REFERENCE = re.compile(r"[A-Za-z0-9._:-]{1,64}")  # "Common to the HTTP systems" in the contract
CURRENCY = re.compile(r"[A-Z]{3}")
LONGEST_TEXT = 254  # the longest e-mail address; nothing the contract calls text is longer
LARGEST_INTEGER = 2**53 - 1  # what every JSON parser can hold exactly


def invalid(message: str, **extra: Any) -> Problem:
    """Return the problem that names what is wrong with the request."""
    return Problem(400, "invalid_request", message, **extra)


def json_body(members: tuple[str, ...] | None = None) -> Json:
    """Return the request's JSON object; with `members`, exactly these members are allowed and needed."""
    if request.mimetype != "application/json":
        raise Problem(415, "unsupported_media_type", "The body must be application/json.")
    try:
        body = strict_json.parse(request.get_data().decode())
    except ValueError as error:
        raise invalid("The body isn't well-formed JSON in UTF-8.") from error
    if not isinstance(body, dict):
        raise invalid("The body must be a JSON object.")
    if members is not None:
        only_members(body, members)
    return body


def only_members(value: Json, members: tuple[str, ...]) -> None:
    """Require exactly these members."""
    for name in members:
        if name not in value:
            raise invalid(f"{name} is missing.", field=name)
    for name in value:
        if name not in members:
            raise invalid("The body has a member that isn't agreed.", field=name[:LONGEST_TEXT])


def idempotency_key() -> str:
    """Return the Idempotency-Key header."""
    key = request.headers.get("Idempotency-Key", "")
    if not key:
        raise Problem(400, "idempotency_key_missing", "The Idempotency-Key header is missing.")
    return checked_reference(key, "Idempotency-Key")


def reference(body: Json, name: str) -> str:
    """Return a member that is a key or reference."""
    return checked_reference(body.get(name), name)


def checked_reference(value: object, name: str) -> str:
    """Return a value that is a key or reference: 1 to 64 of the agreed characters."""
    if not isinstance(value, str) or not REFERENCE.fullmatch(value):
        raise invalid(f"{name} must be 1 to 64 characters from A-Z a-z 0-9 . _ : -", field=name)
    return value


def text(body: Json, name: str) -> str:
    """Return a member that is printable text of 1 to 254 characters."""
    value = body.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= LONGEST_TEXT or not value.isprintable():
        raise invalid(f"{name} must be printable text of 1 to {LONGEST_TEXT} characters.", field=name)
    return value


def integer(body: Json, name: str, least: int, most: int = LARGEST_INTEGER) -> int:
    """Return a member that is a whole number between `least` and `most`."""
    value = body.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise invalid(f"{name} must be a whole number from {least} to {most}.", field=name)
    return value


def money(body: Json, name: str) -> tuple[int, str]:
    """Return a member that is money, as minor units (0 or more) and currency."""
    value = body.get(name)
    if not isinstance(value, dict):
        raise invalid(f"{name} must be money: an object of value and currency.", field=name)
    only_members(value, ("value", "currency"))
    currency = value["currency"]
    if not isinstance(currency, str) or not CURRENCY.fullmatch(currency):
        raise invalid("currency must be three capital letters.", field="currency")
    return integer(value, "value", 0), currency
