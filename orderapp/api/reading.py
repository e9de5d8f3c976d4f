"""Reads a client's request strictly: anything ambiguous is refused, not guessed."""

from __future__ import annotations

import re
import uuid
from typing import Any

from flask import request
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from orderapp import strict_json
from orderapp.errors import InvalidRequest, NotFound, OrderappError

MAX_KEY_CHARACTERS = 64
# No comma: servers join repeated headers with one, and two keys must never look like a third.
KEY_PATTERN = rf"[\x20-\x2b\x2d-\x7e]{{1,{MAX_KEY_CHARACTERS}}}"
# No number in an order has more digits.
MAX_DIGITS = 18
NOT_JSON = "This isn't JSON in UTF-8: {reason}"


class KeyMissing(OrderappError):
    """A submission came without a key, so a repeat of it couldn't be recognised; nothing was recorded."""

    code = "idempotency_key_missing"


def read_json() -> Any:
    """Return the request's body.

    Raises:
        UnsupportedMediaType: it isn't declared as JSON. Forms of other sites can't declare that.
        RequestEntityTooLarge: it is larger than MAX_CONTENT_LENGTH.
        InvalidRequest: it isn't JSON by the letter of RFC 8259, or has a member twice.
    """
    if request.mimetype != "application/json":
        raise UnsupportedMediaType
    raw = request.get_data(cache=False)
    if request.max_content_length is not None and len(raw) >= request.max_content_length:
        # If a body has no length, Werkzeug reads this much and silently drops the rest.
        raise RequestEntityTooLarge
    try:
        return strict_json.parse(raw.decode(), MAX_DIGITS)
    except UnicodeDecodeError as error:
        raise InvalidRequest({"": [NOT_JSON.format(reason="there are bytes that aren't UTF-8.")]}) from error
    except ValueError as error:
        raise InvalidRequest({"": [NOT_JSON.format(reason=f"{error}.")]}) from error


def read_json_if_any() -> Any:
    """Return the request's body, or an empty object where there is none. Raises as `read_json` does."""
    if not request.content_type and not request.get_data(cache=True):
        return {}
    return read_json()


def read_idempotency_key() -> str:
    """Return the submission's key. Raises KeyMissing or InvalidRequest."""
    key = request.headers.get("Idempotency-Key", "")
    if not key:
        raise KeyMissing("Send an Idempotency-Key header, new for each new order. Nothing was recorded.")
    if not re.fullmatch(KEY_PATTERN, key):
        said = f"A key has 1 to {MAX_KEY_CHARACTERS} printable ASCII characters, and no comma."
        raise InvalidRequest({"Idempotency-Key": [said]})
    return key


def read_order_id(text: str) -> uuid.UUID:
    """Return the order's id from the address. Raises NotFound if the text can't be an id."""
    try:
        order_id = uuid.UUID(text)
    except ValueError as error:
        raise NotFound("No order has such an id.") from error
    if str(order_id) != text.lower():
        raise NotFound("No order's id is written like this.")  # an order has one address
    return order_id
