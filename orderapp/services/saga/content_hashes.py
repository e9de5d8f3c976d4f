"""Hashes what a submission asks for, to distinguish a repeat from the same key with other content."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import orjson

from orderapp.domain.orders import OrderRequest

# Not part of the content: a repeat with other values here is still the same order.
BESIDE_THE_CONTENT = frozenset({"allow_duplicate", "expected_total", "expected_subtotal", "language"})
# Stored in front of the hash, so that a new way of hashing doesn't turn genuine repeats into other content.
VERSION = "v1"


@dataclass(frozen=True, slots=True)
class ContentHash:
    """The hash of a content, which is kept with its key."""

    digest: str

    def __str__(self) -> str:
        """Return the stored form."""
        return f"{VERSION}:{self.digest}"

    def is_that_of(self, kept: str) -> bool:
        """Return whether a stored hash is of the same content.

        Another release, which ran before or runs beside this one, may store hashes of a version that is unknown here.
        Then only the key decides.
        """
        version, _, digest = kept.partition(":")
        return version != VERSION or digest == self.digest


def hash_order(request: OrderRequest) -> ContentHash:
    """Return the hash of an order's content in canonical form: the sequence of the lines doesn't count."""
    return ContentHash(_digest(_members(request)))


def hash_retry(order_id: uuid.UUID) -> ContentHash:
    """Return the hash of "place this order again"."""
    return ContentHash(_digest({"retry": str(order_id)}))


def hash_cart(scope: str, request: OrderRequest) -> str:
    """Return the hash that identifies a customer's cart: everything except name and phone.

    Upper and lower case don't count in typed text, because systems correct or ignore them.
    """
    members = _members(request)
    who = {name: value for name, value in members["customer"].items() if name not in ("name", "phone")}
    typed = _in_small_letters({"customer": who, "inputs": members.get("inputs", {})})
    return _digest({**members, **typed, "scope": scope})


def _in_small_letters(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _in_small_letters(inner) for name, inner in value.items()}
    return value.casefold() if isinstance(value, str) else value


def _members(request: OrderRequest) -> dict[str, Any]:
    """Return a request's members that aren't empty, so that a member added later doesn't change earlier hashes."""
    names = [one.name for one in fields(request) if one.name not in BESIDE_THE_CONTENT]
    content: dict[str, Any] = orjson.loads(orjson.dumps({name: getattr(request, name) for name in names}))
    content["lines"].sort(key=lambda line: line["sku"])
    members: dict[str, Any] = _without_empty(content)
    return members


def _without_empty(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: kept for name, inner in value.items() if inner and (kept := _without_empty(inner))}
    return [_without_empty(inner) for inner in value] if isinstance(value, list) else value


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()
