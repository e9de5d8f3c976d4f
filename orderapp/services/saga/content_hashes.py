"""Hashes what a submission asks for, to distinguish a repeat from the same key with other content."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from orderapp.domain.orders import OrderRequest

# Not part of the content: a repeat with other values here is still the same order.
BESIDE_THE_CONTENT = frozenset({"allow_duplicate", "expected_total", "expected_subtotal"})
# Stored in front of the hash, so that a new way of hashing doesn't turn genuine repeats into other content.
VERSION = "v2"


@dataclass(frozen=True, slots=True)
class ContentHash:
    """The hash of a content, which is kept with its key: in the current version and in each earlier one."""

    by_version: Mapping[str, str]

    def __str__(self) -> str:
        """Return the stored form."""
        return f"{VERSION}:{self.by_version[VERSION]}"

    def is_that_of(self, kept: str) -> bool:
        """Return whether a stored hash is of the same content.

        A newer release, which ran before or runs beside this one, stores hashes of a version that is unknown here. Then
        only the key decides.
        """
        version, _, digest = kept.partition(":")
        return self.by_version.get(version, digest) == digest


def hash_order(request: OrderRequest) -> ContentHash:
    """Return the hash of an order's content in canonical form: the sequence of the lines doesn't count."""
    members = _members(request)
    customer = {"phone": "", "member_ref": "", **members["customer"]}
    as_in_v1 = {"coupon": "", "benefit": "", **members, "customer": customer}
    return ContentHash({"v1": _digest(as_in_v1), VERSION: _digest(members)})


def hash_retry(order_id: uuid.UUID) -> ContentHash:
    """Return the hash of "place this order again"."""
    in_v1 = hashlib.sha256(f"retry {order_id}".encode()).hexdigest()
    return ContentHash({"v1": in_v1, VERSION: _digest({"retry": str(order_id)})})


def hash_cart(scope: str, request: OrderRequest) -> str:
    """Return the hash that identifies a customer's cart: everything except name and phone.

    Upper and lower case don't count in typed text, because systems correct or ignore them.
    """
    members = _members(request)
    who = {name: value for name, value in members["customer"].items() if name not in ("name", "phone")}
    typed = {"customer": who} | {name: value for name, value in members.items() if isinstance(value, str)}
    return _digest({**members, **_in_small_letters(typed), "scope": scope})


def _in_small_letters(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _in_small_letters(inner) for name, inner in value.items()}
    return value.casefold() if isinstance(value, str) else value


def _members(request: OrderRequest) -> dict[str, Any]:
    """Return a request's members that aren't empty, so that a member added later doesn't change earlier hashes."""
    content = {name: value for name, value in asdict(request).items() if name not in BESIDE_THE_CONTENT}
    content["lines"] = sorted(content["lines"], key=lambda line: str(line["sku"]))
    members: dict[str, Any] = _without_empty(content)
    return members


def _without_empty(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: kept for name, inner in value.items() if (kept := _without_empty(inner))}
    if isinstance(value, list | tuple):
        return [_without_empty(inner) for inner in value]
    return value


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
